"""The apps that benchmarks.service_stack compares, and the sink that takes their spans."""
