"""Gin, the article's framework: a small Go module with its locked dependencies, and how it is built."""
