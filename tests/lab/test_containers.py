"""An image is built where an engine works; where none does, that is said with each one's reason."""

import shutil
from pathlib import Path

import pytest

from workbook_lib.lab import containers
from workbook_lib.lab.command import CommandFailed

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """An empty PATH, but for `sh`, and a way to put programs there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to(shutil.which("sh"))
    monkeypatch.setenv("PATH", str(folder))

    def put(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return put


def test_an_engine_that_is_installed_but_does_not_work_is_passed_over(programs):
    programs("docker", 'echo "Cannot connect to the Docker daemon"; exit 1')
    programs("podman", "echo fine")
    assert containers.find_engine() == "podman"


def test_where_no_engine_works_the_reader_is_told_why(programs, capsys):
    programs("docker", 'echo "Cannot connect to the Docker daemon"; exit 1')
    assert containers.find_engine() is None
    assert capsys.readouterr().out == (
        "Skipped: the image. No container engine works here: docker doesn't work (Cannot connect to the "
        "Docker daemon); podman isn't installed; buildah isn't installed.\n"
    )


@pytest.mark.parametrize(
    ("engine", "listed"),
    [
        ("docker", '{"Repository":"x","Size":"181MB"}'),
        ("podman", '[{"Size": 181000000}]'),
        ("buildah", '[{"size": "181 MB"}]'),
    ],
)
def test_a_built_image_has_the_size_that_its_engine_tells(programs, engine, listed):
    programs(engine, f"case $1 in images) echo '{listed}';; *) echo built $@;; esac")
    image = containers.build_image(engine, Path("Dockerfile"), Path(), "x:1")
    assert (image.tag, image.mb) == ("x:1", 181.0)


def test_a_build_that_fails_is_an_error_with_what_was_printed(programs):
    programs("docker", "echo no such base image; exit 2")
    with pytest.raises(CommandFailed, match=r"no such base image\nexit code 2"):
        containers.build_image("docker", Path("Dockerfile"), Path(), "x:1")


@pytest.mark.timeout(1000)
def test_the_services_image_is_built_and_small_where_an_engine_works():
    engine = containers.find_engine()
    if engine is None:
        pytest.skip("no container engine works here")
    image = containers.build_image(
        engine, ROOT / "deploy" / "Dockerfile", ROOT, "microservices-workbook:test"
    )
    assert image.mb < 500
