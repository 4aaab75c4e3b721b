"""A process takes the open files that its system allows."""

import resource

from workbook_lib.kit.process import raise_file_limit


def test_the_soft_limit_becomes_the_hard_one():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - 1, before[1]))
        allowed = raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (allowed, before[1])
        assert allowed >= before[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
