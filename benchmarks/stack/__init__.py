"""The apps that benchmarks.service_stack compares, and the sink that takes their spans."""

STAGES = ("bare", "errors", "metrics", "logs", "kit")
"""Each has what the one before has, and one part more; "kit" adds the spans and is a whole service."""
