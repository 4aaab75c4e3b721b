"""The attack gets in where a query is pasted together, and nowhere else."""

import pytest

from tests.structure.rules import ROOT
from workbook_lib.lab import Lab, audit

UNION = "SELECT email, card_number FROM customers"


@pytest.fixture
async def lab(tmp_path):
    async with Lab("audit", root=tmp_path) as lab:
        await lab.serve(ROOT / "data" / "audit", "vulnerable_catalogue:app", name="catalogue", reload=False)
        yield lab


@pytest.mark.parametrize("route", ["/pasted", "/pasted/{name}"], ids=["in the query", "in the path"])
async def test_a_pasted_query_gives_away_rows_and_another_table(lab, route):
    attempts = {
        each.attack: each
        for each in audit.try_injection(f"{lab['catalogue'].url}{route}", "name", union=UNION)
    }
    assert attempts["lone quote"].weakness == "its quote broke a statement"
    assert attempts["always true"].weakness == "its condition was executed"
    assert "monitor" in attempts["always true"].answer
    assert "alice.novak@example.com" in attempts["another table"].answer


async def test_a_bound_query_takes_every_payload_for_a_value(lab):
    attempts = audit.try_injection(f"{lab['catalogue'].url}/bound", "name", union=UNION)
    assert len(attempts) == 5
    assert {(each.status, each.answer, each.weakness) for each in attempts} == {(200, "[]", "")}
