"""Settings from a real Consul: over the environment, under the command line; clear when it fails."""

import asyncio
import subprocess
import sys
import time
import uuid
from collections.abc import Callable

import pytest

from tests.kit.settings.users_like import UsersLike
from workbook_lib.kit.consul import Consul
from workbook_lib.kit.settings import ServiceSettings, SettingsError, load

pytestmark = pytest.mark.server


@pytest.fixture
def prefix() -> str:
    """A prefix of the test's own: the Consul is shared."""
    return f"config-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def centre(monkeypatch, consul_url, prefix) -> Callable[..., str]:
    """Stores entries under dev and switches the config centre on."""
    monkeypatch.setenv("CONSUL_HTTP_ADDR", consul_url)
    monkeypatch.setenv("SERVICE_CONFIG_PREFIX", prefix)

    def put(entries: dict[str, str | bytes], environment: str = "dev") -> str:
        async def store() -> None:
            async with Consul(consul_url, timeout_seconds=20) as consul:
                for key, value in entries.items():
                    await consul.kv_put(f"{prefix}/{environment}/{key}", value)

        asyncio.run(store())
        return f"{prefix}/{environment}"

    return put


def test_it_wins_over_variables_and_loses_to_the_command_line(centre, monkeypatch, origin):
    folder = centre({"user-service/port": "1003", "user-service/host": "127.0.0.3"})
    monkeypatch.setenv("USERS_PORT", "1002")
    settings = load(UsersLike, ["--host", "127.0.0.4"])
    assert (settings.port, settings.host) == (1003, "127.0.0.4")
    assert origin(settings, "port").source == f"consul {folder}/user-service/port"


def test_a_services_own_entry_wins_over_the_shared_one_and_another_services_is_not_its_business(
    centre, origin
):
    folder = centre(
        {
            "log_level": "ERROR",
            "redis_url": "redis://shared",
            "user-service/log_level": "WARNING",
            "order-service/workers": "4",
            "user-service/": "",
        }
    )
    settings = load(UsersLike)
    assert (settings.log_level, settings.redis_url) == ("WARNING", "redis://shared")
    assert origin(settings, "redis_url").source == f"consul {folder}/redis_url"
    assert load(ServiceSettings).log_level == "ERROR"  # it has no cache, and nothing of its own there


def test_the_environment_chooses_the_entries(centre):
    centre({"user-service/port": "1003"})
    centre({"user-service/port": "1004"}, "prod")
    assert load(UsersLike).port == 1003
    assert load(UsersLike, ["--environment", "prod"]).port == 1004


def test_entries_in_capitals_fill_placeholders_before_the_environment_does(centre, monkeypatch, origin):
    folder = centre({"user-service/DB_URL": "sqlite:///of-consul.db", "user-service/tags": '["${WHO}"]'})
    monkeypatch.setenv("DB_URL", "sqlite:///of-the-environment.db")
    monkeypatch.setenv("USERS_DATABASE_URL", "${DB_URL}")
    monkeypatch.setenv("WHO", "me")
    settings = load(UsersLike)
    assert (settings.database_url, settings.tags) == ("sqlite:///of-consul.db", ["me"])
    assert origin(settings, "database_url").source == (
        f"environment USERS_DATABASE_URL, ${{DB_URL}} from consul {folder}/user-service/DB_URL"
    )


def test_a_missing_placeholder_names_both_places_that_were_looked_at(centre):
    folder = centre({"user-service/redis_url": "redis://${NOT_THERE}"})
    with pytest.raises(SettingsError) as raised:
        load(UsersLike)
    assert str(raised.value) == (
        f"redis_url: the environment has no variable NOT_THERE and {folder}/ in Consul no entry NOT_THERE; "
        f"consul {folder}/user-service/redis_url asks for it"
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("user-service/port", "eighty", r"port \(from consul .*/dev/user-service/port\): .*valid integer"),
        ("user-service/tags", "a, b", r"tags: not JSON, in consul .*/dev/user-service/tags"),
        ("user-service/prot", "80", r"prot \(from consul .*/dev/user-service/prot\): no such setting"),
        ("prot", "80", r"consul .*/dev/prot: no setting of all services; put it under .*/dev/user-service/"),
        ("user-service/host", b"\xff", r"consul .*/dev/user-service/host: the value isn't text in UTF-8"),
        ("user-service/environment", "prod", r"environment: can't be set in consul .*, as it decides"),
    ],
)
def test_an_entry_that_is_no_good_is_named_by_its_key(centre, key, value, message):
    centre({key: value})
    with pytest.raises(SettingsError, match=message):
        load(UsersLike)


def test_a_secret_of_the_centre_is_in_no_error(centre):
    centre({"user-service/DB_PASSWORD": "s3cret", "user-service/log_level": "${DB_PASSWORD}"})
    with pytest.raises(SettingsError, match="log_level") as raised:
        load(UsersLike)
    assert "s3cret" not in str(raised.value)


def test_a_prefix_with_nothing_under_it_is_an_error_as_it_may_as_well_be_forbidden(centre, prefix):
    with pytest.raises(SettingsError, match=f"{prefix}/dev/ in Consul at http.* holds nothing, or the token"):
        load(UsersLike)


async def test_it_can_be_read_where_an_event_loop_runs(monkeypatch, consul_url, prefix):
    """In a notebook, for one."""
    monkeypatch.setenv("CONSUL_HTTP_ADDR", consul_url)
    async with Consul(consul_url, timeout_seconds=20) as consul:
        await consul.kv_put(f"{prefix}/dev/log_level", "ERROR")
    assert load(UsersLike, ["--config-prefix", prefix]).log_level == "ERROR"


def test_a_consul_that_cannot_be_reached_is_named(monkeypatch):
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "127.0.0.1:1")
    with pytest.raises(SettingsError, match=r"config/dev/ in Consul at 127.0.0.1:1 can't be read: .*reached"):
        load(UsersLike, ["--config-prefix", "config"])


def test_a_consul_that_does_not_answer_is_given_up_within_seconds(monkeypatch, black_hole):
    monkeypatch.setenv("CONSUL_HTTP_ADDR", black_hole)
    began = time.monotonic()
    with pytest.raises(SettingsError, match="can't be read"):
        load(UsersLike, ["--config-prefix", "config"])
    assert time.monotonic() - began < 15


def test_a_prefix_without_a_consul_is_an_error():
    with pytest.raises(SettingsError, match="config_prefix: there is no Consul to read from"):
        load(UsersLike, ["--config-prefix", "config"])


def test_without_a_prefix_consul_is_neither_asked_nor_imported(black_hole):
    """So that a service which doesn't use it starts as quickly as before."""
    code = (
        "import sys\n"
        "from workbook_lib.kit.settings import ServiceSettings, load\n"
        f"load(ServiceSettings, ['--consul-http-addr', '{black_hole}'])\n"
        "print([name for name in sys.modules if name in ('httpx2', 'workbook_lib.kit.consul')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
