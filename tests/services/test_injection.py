"""No parameter of a live service lets SQL in: each that the documents name is attacked, on real databases."""

import httpx2
import pytest

from workbook_lib.lab import Lab, audit

SERVICES = ("products", "users", "reports")


def parameters(url: str) -> list[tuple[str, str]]:
    """The address and the name of each parameter in the path or query of a GET route."""
    document = httpx2.get(f"{url}/openapi.json", timeout=5).json()
    return [
        (url + path, parameter["name"])
        for path, operations in document["paths"].items()
        for parameter in operations.get("get", {}).get("parameters", ())
        if parameter["in"] in ("path", "query")
    ]


@pytest.mark.server
async def test_every_parameter_of_every_service_is_a_value_and_never_sql(tmp_path):
    async with Lab("injection", root=tmp_path) as lab:
        await lab.start(*SERVICES)
        found = {
            (url, name): audit.try_injection(url, name)
            for service in SERVICES
            for url, name in parameters(lab[service].url)
        }
    assert {url.rpartition("/")[2] for url, _ in found} >= {"products", "{sku}", "users", "{user_id}"}
    weak = {place: [each for each in tried if each.weakness] for place, tried in found.items()}
    assert {place: attempts for place, attempts in weak.items() if attempts} == {}
