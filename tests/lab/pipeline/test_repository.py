"""A repository of a service: what a commit holds is what is checked out, and nothing else."""

import pytest

from workbook_lib.lab.command import CommandFailed
from workbook_lib.lab.pipeline import Repository

EDIT = {"app.py": ("VERSION = 1", "VERSION = 2")}


@pytest.fixture
def repository(tmp_path) -> Repository:
    template = tmp_path / "template"
    (template / "__pycache__").mkdir(parents=True)
    (template / "app.py").write_text("VERSION = 1\n")
    return Repository.create(tmp_path / "shop", template)


def test_a_branch_starts_from_main_and_leaves_it_alone_until_it_is_merged(repository):
    first = repository.revision("main")
    changed = repository.change("two", "Two", EDIT)
    assert repository.revision("main") == first != changed
    assert repository.merge("two") == repository.revision("main") == changed
    assert repository.tag("v2.0.0") == repository.revision("v2.0.0") == changed


def test_a_checkout_holds_the_commit_and_nothing_that_is_not_committed(repository):
    first = repository.revision("main")
    second = repository.change("two", "Two", EDIT)
    (repository.folder / "app.py").write_text("VERSION = 'unsaved'\n")
    assert (repository.checkout(first) / "app.py").read_text() == "VERSION = 1\n"
    assert (repository.checkout(second) / "app.py").read_text() == "VERSION = 2\n"
    assert repository.checkout(first) == repository.checkout(first)


def test_an_edit_that_does_not_fit_is_refused(repository):
    with pytest.raises(ValueError, match="holds 'VERSION = 3' 0 times"):
        repository.change("three", "Three", {"app.py": ("VERSION = 3", "")})


def test_commits_carry_no_name_of_the_readers(repository):
    assert repository.git("log", "--format=%an <%ae> %cn") == (
        "A developer <developer@example.com> A developer"
    )


def test_an_unknown_ref_is_an_error(repository):
    with pytest.raises(CommandFailed, match="exit code"):
        repository.revision("nowhere")


def test_creating_it_again_replaces_it(repository, tmp_path):
    repository.change("two", "Two", EDIT)
    again = Repository.create(repository.folder, tmp_path / "template")
    assert again.git("branch", "--format=%(refname:short)") == "main"
