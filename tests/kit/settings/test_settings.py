"""Layers of settings, placeholders, and what is said when something is wrong."""

import json

import pytest

from tests.kit.settings.users_like import UsersLike as Settings
from workbook_lib.kit.settings import Origin, ServiceSettings, SettingsError, explain, load


def test_defaults_need_nothing(origin):
    settings = load(Settings)
    assert settings.instance == "user-service-8081"
    assert settings.database_url == "sqlite:///user-service.db"
    assert settings.host == "127.0.0.1"
    assert origin(settings, "port") == Origin("port", "8081", "default")


def test_the_command_line_wins_over_the_environment_which_wins_over_the_file(tmp_path, monkeypatch, origin):
    file = tmp_path / "users.toml"
    file.write_text('port = 1001\nhost = "127.0.0.2"\nlog_level = "warning"\n')
    monkeypatch.setenv("USERS_PORT", "1002")
    monkeypatch.setenv("USERS_HOST", "127.0.0.3")
    settings = load(Settings, ["--config", str(file), "--port", "1003"])
    assert (settings.port, settings.host, settings.log_level) == (1003, "127.0.0.3", "WARNING")
    assert origin(settings, "port").source == "command line"
    assert origin(settings, "host").source == "environment USERS_HOST"
    assert origin(settings, "log_level").source == f"file {file}"


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.toml", 'tags = ["a", "b"]'), ("a.yaml", "tags: [a, b]"), ("a.json", '{"tags": ["a", "b"]}')],
)
def test_a_file_may_be_toml_yaml_or_json(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert load(Settings, ["--config", str(tmp_path / name)]).tags == ["a", "b"]


def test_a_services_own_variable_wins_over_the_shared_one(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "sqlite:///shared.db")
    assert load(Settings).database_url == "sqlite:///shared.db"
    monkeypatch.setenv("USERS_DATABASE_URL", "sqlite:///own.db")
    assert load(Settings).database_url == "sqlite:///own.db"


def test_shared_variables_reach_every_service(monkeypatch):
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "127.0.0.1:8500")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv("CHECK_INTERVAL_SECONDS", "1")
    settings = load(Settings)
    assert settings.consul_http_addr == "http://127.0.0.1:8500"
    assert settings.otlp_endpoint == "http://127.0.0.1:4318"
    assert settings.check_interval_seconds == 1


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "")
    assert load(Settings).consul_http_addr is None


def test_a_list_is_given_as_json(monkeypatch):
    monkeypatch.setenv("USERS_TAGS", json.dumps(["x"]))
    assert load(Settings).tags == ["x"]
    assert load(Settings, ["--tags", '["y", "z"]']).tags == ["y", "z"]
    with pytest.raises(SettingsError, match="tags: not JSON"):
        load(Settings, ["--tags", "y"])


def test_placeholders_are_resolved_from_the_environment_in_every_layer(tmp_path, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "s3cret")
    file = tmp_path / "users.yaml"
    file.write_text("database_url: postgresql://u:${DB_PASSWORD}@db/users\ntags: ['${DB_PASSWORD}']")
    settings = load(Settings, ["--config", str(file), "--redis-url", "redis://:${DB_PASSWORD}@r"])
    assert settings.database_url == "postgresql://u:s3cret@db/users"
    assert settings.tags == ["s3cret"]
    assert settings.redis_url == "redis://:s3cret@r"


def test_a_placeholder_without_a_variable_names_the_setting_and_the_variable(monkeypatch):
    monkeypatch.setenv("USERS_REDIS_URL", "redis://${NOT_THERE}")
    with pytest.raises(SettingsError, match="redis_url: the environment has no variable NOT_THERE"):
        load(Settings)


def test_explaining_shows_no_secret(monkeypatch, origin):
    monkeypatch.setenv("USERS_TOKEN", "t0ken")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:s3cret@db/users")
    settings = load(Settings)
    assert settings.token.get_secret_value() == "t0ken"
    shown = str(explain(settings))
    assert "t0ken" not in shown
    assert "s3cret" not in shown
    assert origin(settings, "database_url").value == "postgresql://u:***@db/users"


def test_help_lists_every_setting_with_its_default_and_its_variables(capsys):
    with pytest.raises(SystemExit) as ended:
        load(Settings, ["--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in text
    assert "port for HTTP; default 8081 [USERS_PORT]" in text
    assert "[USERS_DATABASE_URL or DATABASE_URL]" in text
    assert "hidden" not in text


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--port", "eighty"], r"port \(from command line\): Input should be a valid integer"),
        (["--prot", "80"], "unrecognized arguments: --prot 80"),
        (["--environment", "moon"], "environment .*: Input should be 'dev', 'staging' or 'prod'"),
        (["--config", "nowhere.toml"], "--config nowhere.toml: No such file"),
    ],
)
def test_settings_that_are_no_good_are_named(argv, message):
    with pytest.raises(SettingsError, match=message):
        load(Settings, argv)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "prot = 1", "prot .*: no such setting"),
        ("a.toml", "= 1", "a.toml: Invalid statement"),
        ("a.yaml", "- 1", "must hold names and values"),
        ("a.ini", "", r"use a name that ends in .yaml, .yml, .toml, .json"),
    ],
)
def test_a_file_that_is_no_good_is_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match=message):
        load(Settings, ["--config", str(tmp_path / name)])


def test_settings_made_in_code_are_checked_too_and_do_not_change():
    settings = ServiceSettings(service="demo", port=9000)
    assert settings.instance == "demo-9000"
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


def test_explain_prints_each_value_with_its_origin_and_exits(capsys, monkeypatch):
    monkeypatch.setenv("USERS_PORT", "1002")
    with pytest.raises(SystemExit) as ended:
        load(Settings, ["--explain", "--host", "127.0.0.2"])
    assert ended.value.code == 0
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["setting", "value", "from"]
    assert ["port", "1002", "environment USERS_PORT"] in lines
    assert ["host", "127.0.0.2", "command line"] in lines
    assert ["log_level", "DEBUG", "default"] in lines


def test_only_the_value_that_wins_needs_its_placeholders(tmp_path, monkeypatch):
    file = tmp_path / "users.yaml"
    file.write_text("redis_url: redis://${NOT_THERE}")
    monkeypatch.setenv("REDIS_URL", "redis://there")
    assert load(Settings, ["--config", str(file)]).redis_url == "redis://there"


def test_all_missing_placeholders_are_named_at_once_each_with_its_layer(tmp_path, monkeypatch):
    file = tmp_path / "users.yaml"
    file.write_text("database_url: ${DB_URL}\nredis_url: redis://${CACHE}")
    monkeypatch.setenv("USERS_REDIS_URL", "redis://${OTHER}")
    with pytest.raises(SettingsError) as raised:
        load(Settings, ["--config", str(file)])
    assert sorted(str(raised.value).split("; ")) == sorted(
        [
            "database_url: the environment has no variable DB_URL",
            f"file {file} asks for it",
            "redis_url: the environment has no variable OTHER",
            "environment USERS_REDIS_URL asks for it",
        ]
    )


def test_what_filled_a_placeholder_is_told(tmp_path, monkeypatch, origin):
    monkeypatch.setenv("DB_URL", "sqlite:///a.db")
    settings = load(Settings, ["--database-url", "${DB_URL}"])
    assert origin(settings, "database_url") == Origin(
        "database_url", "sqlite:///a.db", "command line, ${DB_URL} from environment DB_URL"
    )


def test_what_fills_a_placeholder_cannot_ask_for_more(monkeypatch):
    monkeypatch.setenv("DB_URL", "sqlite:///${DB_PASSWORD}")
    monkeypatch.setenv("DB_PASSWORD", "s3cret")
    assert load(Settings, ["--database-url", "${DB_URL}"]).database_url == "sqlite:///${DB_PASSWORD}"


def test_the_account_joins_a_servers_url_and_not_a_files(monkeypatch):
    account = ["--database-user", "app", "--database-password", "a/b"]
    of_server = load(Settings, ["--database-url", "postgresql://db/users", *account])
    assert of_server.database_url == "postgresql://app:a%2Fb@db/users"
    assert load(Settings, ["--database-url", "sqlite:////x.db", *account]).database_url == "sqlite:////x.db"
    with pytest.raises(SettingsError, match="names an account already"):
        load(Settings, ["--database-url", "postgresql://u@db/users", *account])
