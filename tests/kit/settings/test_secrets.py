"""A secret is in no output: not in tables, reprs, JSON, nor in what is said when something is wrong."""

import io
import json
import traceback

import pytest
from pydantic import ValidationError, field_validator
from rich.console import Console

from tests.kit.settings.users_like import UsersLike
from workbook_lib.kit import logs
from workbook_lib.kit.settings import SettingsError, WithDatabase, explain, load
from workbook_lib.kit.settings.masking import masked, names_a_secret

SECRET = "s3cret/pass@word"


@pytest.fixture
def _secrets(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    monkeypatch.setenv("USERS_TOKEN", SECRET)
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", SECRET)
    monkeypatch.setenv("USERS_DATABASE_USER", "app")
    monkeypatch.setenv("USERS_DATABASE_PASSWORD", "${DB_PASSWORD}")
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/users")
    monkeypatch.setenv("REDIS_URL", "redis://:${DB_PASSWORD}@cache/0")
    monkeypatch.setenv("USERS_TAGS", '["${DB_PASSWORD}"]')


@pytest.mark.usefixtures("_secrets")
def test_every_way_to_print_settings_hides_what_they_hold(capsys):
    settings = load(UsersLike)
    assert (settings.redis_url, settings.tags) == (f"redis://:{SECRET}@cache/0", [SECRET])
    assert settings.database_url == "postgresql://app:s3cret%2Fpass%40word@db/users"
    assert settings.consul_token == SECRET
    rich = io.StringIO()
    Console(file=rich, width=1000).print(settings)
    logs.configure("users", "users-1")
    logs.get_logger("test").info("starting", settings=settings, nested={"as": [settings]})
    with pytest.raises(SystemExit):
        load(UsersLike, ["--explain"])
    said = [
        str(settings),
        repr(settings),
        f"{settings}",
        settings.model_dump_json(),
        str(explain(settings)),
        rich.getvalue(),
        *capsys.readouterr(),
    ]
    assert [text for text in said if "s3cret" in text] == []
    assert all("***" in text for text in said[:-1])
    shown = {name: value for name, value, _ in explain(settings)}
    assert shown["database_url"] == "postgresql://app:***@db/users"
    assert shown["redis_url"] == "redis://:***@cache/0"
    assert shown["database_password"] == shown["consul_http_token"] == shown["token"] == "***"


@pytest.mark.usefixtures("_secrets")
def test_masking_changes_no_value_that_isnt_secret():
    settings = load(UsersLike)
    assert json.loads(settings.model_dump_json())["port"] == 8081
    assert "port=8081" in repr(settings)
    assert settings.model_dump()["redis_url"].endswith("@cache/0")


class _Talkative(WithDatabase):
    """Its validator quotes what it refuses, as libraries do."""

    @field_validator("database_url")
    @classmethod
    def _refuse(cls, value: str) -> str:
        raise ValueError(f"can't use {value}")


@pytest.mark.parametrize(
    ("argv", "content"),
    [
        (["--port", f"{SECRET}"], ""),
        (["--log-level", "${DB_PASSWORD}"], ""),
        (["--environment", "${DB_PASSWORD}"], ""),
        (["--database-url", "postgresql://u:${DB_PASSWORD}@db"], ""),
        ([], f"database_url: postgresql://u:{SECRET}@db\n  bad: [indent"),
        ([], f'database_password: "{SECRET}\n'),
    ],
)
@pytest.mark.usefixtures("_secrets")
def test_no_error_tells_a_secret_nor_does_its_traceback(tmp_path, argv, content):
    file = tmp_path / "users.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError) as raised:
        load(_Talkative, ["--config", str(file), *argv])
    assert "s3cret" not in "".join(traceback.format_exception(raised.value))


def test_settings_made_in_code_don_t_quote_what_they_refuse():
    with pytest.raises(ValidationError) as raised:
        UsersLike(port=SECRET)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:p@db/x", "postgresql://u:***@db/x"),
        ("postgresql://u:p@ss/w@rd@db/x", "postgresql://u:***@db/x"),
        (
            "postgresql://db/x?user=u&password=p&sslmode=on",
            "postgresql://db/x?user=u&password=***&sslmode=on",
        ),
        ("http://127.0.0.1:8500", "http://127.0.0.1:8500"),
        ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
    ],
)
def test_passwords_in_urls_are_masked_and_nothing_else(text, shown):
    assert masked(text) == shown


def test_names_of_secrets_are_told_from_names_about_them():
    secret = ["DB_PASSWORD", "token", "consul_http_token", "API_KEY", "client_secret", "DB_PASS"]
    plain = ["token_seconds", "passport", "compass", "key", "max_tokens", "password_min_length"]
    assert [name for name in secret if not names_a_secret(name)] == []
    assert [name for name in plain if names_a_secret(name)] == []
