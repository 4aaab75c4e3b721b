"""The shop: a service with a repository of its own, which the pipeline of chapter 2.4 takes to production."""

__all__ = ["VERSION"]

VERSION = "1.0.0"
