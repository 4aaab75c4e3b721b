"""A git repository of one service, and checkouts of its commits beside it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from workbook_lib.lab import command

__all__ = ["Repository"]

# Nothing of the reader's own git: no name, no hooks, no signing.
IDENTITY = {
    "GIT_AUTHOR_NAME": "A developer",
    "GIT_AUTHOR_EMAIL": "developer@example.com",
    "GIT_COMMITTER_NAME": "A developer",
    "GIT_COMMITTER_EMAIL": "developer@example.com",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Repository:
    """A repository whose `folder` is the developer's working copy; commits are checked out elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path, template: Path) -> Repository:
        """Start one with the files of `template` as its first commit, on main; an earlier one is replaced."""
        for old in (folder, _builds(folder)):
            shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(template, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        (folder / ".gitignore").write_text("__pycache__/\n")
        repository = cls(folder)
        repository.git("init", "--quiet", "--initial-branch=main")
        repository._commit("The first version")
        return repository

    def git(self, *arguments: str) -> str:
        """What a git command prints. Raises `command.CommandFailed`."""
        return command.run("git", *arguments, cwd=self.folder, env=IDENTITY).text.strip()

    def revision(self, ref: str) -> str:
        """The short id of the commit that a branch or tag names."""
        return self.git("rev-parse", "--short", "--verify", f"{ref}^{{commit}}")

    def change(self, branch: str, message: str, edits: Mapping[str, tuple[str, str]]) -> str:
        """Commit edits to a branch and return the commit's id; a new branch starts from main.

        An edit names a file and what replaces what in it. Raises ValueError when that isn't there once.
        """
        if self.git("branch", "--list", branch):
            self.git("switch", "--quiet", branch)
        else:
            self.git("switch", "--quiet", "--create", branch, "main")
        for name, (old, new) in edits.items():
            path = self.folder / name
            text = path.read_text(encoding="utf-8")
            if text.count(old) != 1:
                raise ValueError(f"{name} holds {old!r} {text.count(old)} times; once is needed")
            path.write_text(text.replace(old, new), encoding="utf-8")
        self._commit(message)
        return self.revision(branch)

    def merge(self, branch: str) -> str:
        """Merge a branch into main and return main's commit."""
        self.git("switch", "--quiet", "main")
        self.git("merge", "--quiet", "--ff-only", branch)
        return self.revision("main")

    def tag(self, name: str) -> str:
        """Tag main's commit and return its id."""
        self.git("tag", name, "main")
        return self.revision(name)

    def checkout(self, revision: str) -> Path:
        """A folder with exactly that commit, and nothing that the developer hasn't committed."""
        folder = _builds(self.folder) / revision
        if not folder.exists():
            self.git("worktree", "add", "--quiet", "--detach", str(folder), revision)
        return folder

    def _commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)


def _builds(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-builds")
