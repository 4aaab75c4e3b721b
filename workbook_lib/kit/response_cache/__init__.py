"""A cache of GET answers in Redis: shared by all instances, invalidated by tag, safe from stampedes."""

from workbook_lib.kit.response_cache.cache import CachePolicy, ResponseCache

__all__ = ["CachePolicy", "ResponseCache"]
