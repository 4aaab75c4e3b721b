"""What a process may ask of its operating system."""

import resource

__all__ = ["raise_file_limit"]

_ENOUGH_FILES = 1 << 20


def raise_file_limit() -> int:
    """Raise this process's soft limit of open files to its hard limit, and return it.

    Every connection is an open file, and many shells set a soft limit of 1024 for the sake of select().
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
