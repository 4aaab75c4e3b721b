"""An error raised in the last service reaches the first one's caller, with all that it tells."""


async def test_what_inventory_says_of_its_stock_reaches_the_callers_of_the_gateway(edge):
    wanted = {"sku": "desk-lamp", "quantity": 99}
    refused = await edge.post("/v1/users/user123/orders", json=wanted)
    body = refused.json()
    assert (refused.status_code, body["code"]) == (409, 40901)
    assert body["details"]["sku"] == "desk-lamp"
    assert body["details"]["available"] < body["details"]["wanted"] == 99
