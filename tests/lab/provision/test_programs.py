"""The user's own programs: found, asked for their version, refused with a reason."""

from pathlib import Path

import pytest

from workbook_lib.lab.provision import programs
from workbook_lib.lab.provision.catalogue import CATALOGUE
from workbook_lib.lab.provision.model import ProvisionError
from workbook_lib.lab.provision.programs import Unusable, named_by_user, on_path, parse_version, version_of

from .conftest import Script

REDIS = CATALOGUE["redis"]


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("Consul v1.22.7\nBuild Date 1970-01-01T00:00:01Z\nProtocol 2 spoken by default", "1.22.7"),
        ("Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64 build=d2c22571d55d35b5", "6.2.14"),
        ("Valkey server v=8.0.1 sha=00000000:1 malloc=jemalloc-5.3.0 bits=64 build=1", "8.0.1"),
        (
            "2026/11/24 04:07:49 application version: git-commit=, git-version=v2.13.0, build-date=\n"
            '{"gitCommit":"","gitVersion":"v2.13.0","buildDate":""}',
            "2.13.0",
        ),
        ("go version go1.26.8 linux/amd64", "1.26.8"),
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment (build 17.0.15+6)', "17.0.15"),
        ("victoria-logs-v1.52.1", "1.52.1"),
        ("victoria-logs-20260716-022047-tags-v1.52.1-0-g0493641209", "1.52.1"),
        ("a program that tells none", ""),
    ],
)
def test_versions_are_read_from_what_the_programs_print(
    cache: Path, script: Script, printed: str, version: str
) -> None:
    program = script("program", f"/bin/cat <<'END'\n{printed}\nEND")
    assert version_of(program, ("version",)) == version


def test_versions_compare_as_numbers() -> None:
    assert parse_version("1.22.7-rc1") == (1, 22, 7)
    assert parse_version("25.0.2+10") == (25, 0, 2)
    assert parse_version("1.9") < parse_version("1.22")


def test_a_program_is_asked_once_until_its_file_changes(cache: Path, script: Script, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    program = script("redis-server", f"echo x >> {asked}; echo v=7.2.0")
    assert [version_of(program, ()) for _ in range(3)] == ["7.2.0"] * 3
    assert asked.read_text() == "x\n"
    script("redis-server", f"echo x >> {asked}; echo the newer v=7.4.0")
    assert version_of(program, ()) == "7.4.0"


def test_a_broken_memory_of_versions_is_no_more_than_forgotten(cache: Path, script: Script) -> None:
    cache.mkdir()
    (cache / "program-versions.json").write_text("{ half")
    assert version_of(script("redis-server", "echo v=7.2.0"), ()) == "7.2.0"


def test_a_program_that_gives_no_answer_in_time_is_unusable(
    cache: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_ASK_SECONDS", 0.2)
    with pytest.raises(Unusable, match="`slow --version` gave no answer within"):
        version_of(script("slow", "exec /bin/sleep 60"), ("--version",))


def test_the_first_usable_program_on_path_is_taken(cache: Path, script: Script) -> None:
    assert on_path(REDIS) is None
    script("redis-server", "exit 1")
    valkey = script("valkey-server", "echo Valkey server v=8.0.1")
    assert on_path(REDIS) == valkey


def test_a_program_on_path_that_is_too_old_is_passed_over(cache: Path, script: Script) -> None:
    script("redis-server", "echo Redis server v=5.0.7")
    assert on_path(REDIS) is None


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("echo lib missing; exit 127", r"exited with code 127 \(lib missing\)"),
        ("echo Redis server v=5.0.7", "it is version 5.0.7, and Redis 6.0 or newer is needed"),
    ],
)
def test_a_named_program_that_cant_be_used_is_an_error_that_says_why(
    cache: Path, script: Script, monkeypatch: pytest.MonkeyPatch, body: str, cause: str
) -> None:
    monkeypatch.setenv("WORKBOOK_REDIS", str(script("mine", body)))
    with pytest.raises(
        ProvisionError, match=rf"WORKBOOK_REDIS=.* can't be used: .*{cause}.*Correct it, unset it"
    ):
        named_by_user(REDIS)


def test_a_named_program_must_exist_be_executable_and_start(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "mine"
    monkeypatch.setenv("WORKBOOK_REDIS", str(program))
    with pytest.raises(ProvisionError, match="there is no such file"):
        named_by_user(REDIS)
    program.write_bytes(b"\x7fELF broken")
    with pytest.raises(ProvisionError, match="the file isn't executable"):
        named_by_user(REDIS)
    program.chmod(0o755)
    with pytest.raises(ProvisionError, match="it doesn't start"):
        named_by_user(REDIS)


def test_a_program_that_would_start_instead_of_telling_its_version_is_not_asked(
    cache: Path, script: Script, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    broker = script("rabbitmq-server", f"touch {started}")
    assert on_path(CATALOGUE["rabbitmq"]) == broker
    assert not started.exists()
