"""A settings file per environment: what it may say, and over and under which layers it lies."""

import pytest

from tests.kit.settings.users_like import UsersLike
from workbook_lib.kit.settings import ServiceSettings, SettingsError, load


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dev.toml").write_text('log_level = "DEBUG"\n')
    (tmp_path / "prod.toml").write_text(
        'log_level = "WARNING"\nredis_url = "redis://cache"\n'
        '["user-service"]\nlog_level = "ERROR"\ntags = ["from-prod"]\nhost = "127.0.0.9"\n'
        '["order-service"]\nworkers = 4\n'
    )
    return tmp_path


def test_the_environment_chooses_the_file(folder, origin):
    dev = load(UsersLike, ["--config-dir", str(folder)])
    assert (dev.log_level, dev.tags) == ("DEBUG", [])
    prod = load(UsersLike, ["--config-dir", str(folder), "--environment", "prod"])
    assert (prod.log_level, prod.tags, prod.redis_url) == ("ERROR", ["from-prod"], "redis://cache")
    assert origin(prod, "redis_url").source == f"file {folder}/prod.toml"
    assert origin(prod, "log_level").source == f"file {folder}/prod.toml [user-service]"


def test_it_wins_over_the_config_file_and_loses_to_variables(folder, tmp_path, monkeypatch):
    common = tmp_path / "users.yaml"
    common.write_text("environment: prod\nhost: 127.0.0.2\ntags: [common]\nport: 9001")
    monkeypatch.setenv("USERS_TAGS", '["variable"]')
    monkeypatch.setenv("SERVICE_CONFIG_DIR", str(folder))
    settings = load(UsersLike, ["--config", str(common)])
    assert (settings.host, settings.tags, settings.port) == ("127.0.0.9", ["variable"], 9001)


def test_a_services_own_variable_for_the_environment_wins_over_the_shared_one(folder, monkeypatch):
    monkeypatch.setenv("SERVICE_ENVIRONMENT", "prod")
    monkeypatch.setenv("USERS_ENVIRONMENT", "dev")
    assert load(UsersLike, ["--config-dir", str(folder)]).log_level == "DEBUG"


def test_what_all_services_share_may_be_unknown_to_one_of_them(folder):
    """Not each has a cache."""
    settings = load(ServiceSettings, ["--config-dir", str(folder), "--environment", "prod"])
    assert settings.log_level == "WARNING"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("prod.toml", 'log_levle = "INFO"', "no setting of all services: log_levle; put it into a section"),
        (
            "prod.toml",
            '["user-service"]\nprot = 1',
            r"prot \(from file .*\[user-service\]\): no such setting",
        ),
        ("prod.toml", 'environment = "dev"', "environment: can't be set in file .*prod.toml, as it decides"),
        ("prod.json", '{"user-service": 1}', "user-service must be a section"),
        ("prod.yml", "a: [", r"config_dir .*prod.yml: .*line 1, column 5"),
        ("staging.toml", "", r"config_dir .*: there is no prod\.<yaml"),
    ],
)
def test_a_file_that_is_no_good_is_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match=message):
        load(UsersLike, ["--config-dir", str(tmp_path), "--environment", "prod"])


def test_two_files_for_one_environment_are_one_too_many(folder):
    (folder / "dev.json").write_text("{}")
    with pytest.raises(SettingsError, match="there is more than one dev"):
        load(UsersLike, ["--config-dir", str(folder)])
