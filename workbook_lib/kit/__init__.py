"""What a service is built from. Its modules are imported by name; none knows Jupyter or starts processes."""

__all__: list[str] = []
