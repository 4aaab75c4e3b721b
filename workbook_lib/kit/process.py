"""What a process may ask of its operating system."""

import resource

__all__ = ["raise_file_limit"]

# What macOS grants a process although it names no hard limit (its OPEN_MAX).
_WITHOUT_A_LIMIT = 10_240


def raise_file_limit() -> int:
    """Raise this process's soft limit of open files to its hard limit, and return it.

    Every connection is an open file, and many shells set a soft limit of 1024 for the sake of select().
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, _WITHOUT_A_LIMIT) if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
