"""The gateway speaks the caller's language; codes and details stay the same in all of them."""

import ast
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from babel.messages.pofile import read_po

from services.gateway.greetings import greeting_routes
from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.i18n import Catalogues, Languages
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings

ROOT = Path(__file__).resolve().parents[3]
LOCALES = ROOT / "data" / "locales"


@pytest.fixture
async def client(running):
    service = Service(ServiceSettings(), title="Greeter")
    service.add_middleware(Languages, catalogues=Catalogues(LOCALES, service.metrics.registry))
    service.app.include_router(greeting_routes(ManualClock(datetime(2026, 11, 25, tzinfo=UTC))))
    async with running(service) as client:
        yield client


async def _greeting(client: httpx2.AsyncClient, languages: str, items: int = 3):
    params = {"name": "Ann", "items": items, "total_cents": 123456}
    return await client.get("/greeting", params=params, headers={"Accept-Language": languages})


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        (
            "en-GB",
            {
                "language": "en",
                "greeting": "Hello, Ann!",
                "basket": "You have 3 items in your basket.",
                "total": "Together they cost €1,234.56.",
                "today": "Today is November 25, 2026.",
            },
        ),
        (
            "zh-CN,zh;q=0.9,en;q=0.8",
            {
                "language": "zh-Hans",
                "greeting": "你好\N{FULLWIDTH COMMA}Ann\N{FULLWIDTH EXCLAMATION MARK}",
                "basket": "购物车里有 3 件商品。",
                "total": "总价为 €1,234.56。",
                "today": "今天是2026年11月25日。",
            },
        ),
        (
            "fr, pl;q=0.5",
            {
                "language": "pl",
                "greeting": "Dzień dobry, Ann!",
                "basket": "W koszyku są 3 produkty.",
                "total": "Razem kosztują 1\N{NO-BREAK SPACE}234,56\N{NO-BREAK SPACE}€.",
                "today": "Dziś jest 25 listopada 2026.",
            },
        ),
    ],
)
async def test_a_greeting_is_in_the_callers_language_and_says_so(client, languages, expected):
    answer = await _greeting(client, languages)
    assert answer.json() == expected
    assert answer.headers["content-language"] == expected["language"]
    assert answer.headers["vary"] == "Accept-Language"


async def test_two_header_lines_are_one_list(client):
    headers = [("Accept-Language", "de;q=0.1"), ("Accept-Language", "pl")]
    answer = await client.get("/greeting", params={"name": "Ann"}, headers=headers)
    assert answer.json()["language"] == "pl"


async def test_an_errors_message_is_translated_and_its_code_and_details_are_not(client):
    answers = [
        await client.get("/greeting", params={"items": -1}, headers={"Accept-Language": language})
        for language in ("en", "de")
    ]
    english, german = (answer.json() for answer in answers)
    assert german["message"] == "Die Anfrage ist nicht gültig."
    assert (german["code"], german["details"]) == (english["code"], english["details"])
    assert answers[1].headers["content-language"] == "de"
    unknown = await client.get("/nowhere", headers={"Accept-Language": "zh"})
    assert (unknown.json()["message"], unknown.json()["code"]) == ("未找到", 40401)


async def test_an_answer_that_is_the_same_in_all_languages_does_not_vary(client):
    answer = await client.get("/health", headers={"Accept-Language": "de"})
    assert not {"content-language", "vary"} & answer.headers.keys()


def _constants(*folders: str) -> set[str]:
    """Every string in the code of these folders."""
    trees = (ast.parse(path.read_text()) for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}


def _catalogue(path: Path):
    with path.open("rb") as file:
        return read_po(file)


@pytest.mark.parametrize("path", sorted(LOCALES.glob("*/LC_MESSAGES/*.po")), ids=lambda path: path.parts[-3])
def test_a_catalogue_is_whole_and_holds_nothing_that_the_code_no_longer_says(path):
    said = _constants("services", "workbook_lib/kit") | {"Not Found", "Method Not Allowed"}  # Starlette's
    forms = [
        (message.id, message.string) if isinstance(message.id, str) else (message.id[0], all(message.string))
        for message in _catalogue(path)
        if message.id
    ]
    assert [text for text, _ in forms if text not in said] == []
    assert [text for text, translation in forms if not translation] == []


def test_all_catalogues_translate_the_same_messages():
    messages = [
        {message.id if isinstance(message.id, str) else message.id[0] for message in _catalogue(path)}
        for path in LOCALES.glob("*/LC_MESSAGES/*.po")
    ]
    assert len(messages) == 3
    assert messages[0] == messages[1] == messages[2]
