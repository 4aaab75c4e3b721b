"""Measured comparisons. Each prints a table and the machine that it ran on; with --json the figures."""
