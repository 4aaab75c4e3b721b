"""Real wheels from a few lines of code, in a folder that installers take for an index, without a network."""

import sys
import zipfile

import pytest

from workbook_lib.lab import command, packages


@pytest.fixture
def offline(tmp_path):
    return packages.offline(tmp_path / "cache")


@pytest.fixture
def index(tmp_path):
    packages.release(tmp_path / "index", "rate-card", "1.0.0", "RATE = 1\n")
    return tmp_path / "index"


def imported(wheel, code):
    """What code prints that can import from a wheel."""
    done = command.run(sys.executable, "-c", code, env={"PYTHONPATH": str(wheel)})
    return done.text.strip()


def test_a_release_is_a_wheel_with_its_code_version_and_requirements(tmp_path):
    wheel = packages.release(tmp_path, "shop", "2.1.0", "OPEN = True\n", requires=["rate-card>=1"])
    assert wheel.name == "shop-2.1.0-py3-none-any.whl"
    assert imported(wheel, "import shop; print(shop.OPEN)") == "True"
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read("shop-2.1.0.dist-info/METADATA").decode()
    assert "Requires-Dist: rate-card>=1" in metadata


def test_a_folder_of_releases_is_an_index_that_needs_no_network(tmp_path, index, offline):
    packages.release(index, "rate-card", "1.1.0", "RATE = 2\n")
    wanted = ["--no-index", "--find-links", index, "rate-card>=1"]
    command.run("uv", "pip", "install", "--target", tmp_path / "installed", *wanted, env=offline)
    assert imported(tmp_path / "installed", "import rate_card; print(rate_card.RATE)") == "2"


def test_a_project_is_written_over_by_writing_it_again(tmp_path):
    packages.write(tmp_path / "shop", "OPEN = True\n")
    again = packages.write(tmp_path / "shop", "OPEN = False\n", requires=["rate-card"])
    assert (again / "src" / "shop" / "__init__.py").read_text() == "OPEN = False\n"
    assert 'dependencies = ["rate-card"]' in (again / "pyproject.toml").read_text()


def test_a_tampered_wheel_installs_without_a_lock_and_is_refused_with_one(tmp_path, index, offline):
    from_index = ["--no-cache", "--no-index", "--find-links", index]
    (tmp_path / "in.txt").write_text("rate-card\n")
    hashes = ["--generate-hashes", "--output-file", tmp_path / "lock.txt", tmp_path / "in.txt"]
    command.run("uv", "pip", "compile", "--quiet", *from_index, *hashes, env=offline)

    packages.tamper(next(index.glob("*.whl")), "rate_card/__init__.py", "print('stolen')\n")

    install = ["uv", "pip", "install", *from_index, "--target"]
    command.run(*install, tmp_path / "installed", "rate-card", env=offline)
    assert imported(tmp_path / "installed", "import rate_card") == "stolen"
    locked = [tmp_path / "refused", "--require-hashes", "-r", tmp_path / "lock.txt"]
    assert "Hash mismatch" in command.run(*install, *locked, env=offline, expect=1).text
    assert not (tmp_path / "refused" / "rate_card").exists()


def test_a_wheel_without_the_module_is_not_tampered_with(index):
    wheel = next(index.glob("*.whl"))
    before = wheel.read_bytes()
    with pytest.raises(KeyError):
        packages.tamper(wheel, "rate_card/absent.py", "")
    assert wheel.read_bytes() == before


@pytest.mark.parametrize("installer", [("uv", "pip"), ("python", "-m", "pip")])
def test_offline_is_offline(tmp_path, offline, installer):
    wanted = ["install", "--target", tmp_path / "installed", "structlog"]
    with pytest.raises(command.CommandFailed, match=r"(?i)connection refused|no matching distribution"):
        command.run(*installer, *wanted, env=offline, timeout_seconds=120)
