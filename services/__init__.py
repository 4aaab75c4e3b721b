"""The running system: one folder per service, started with `python -m services.<name>`."""
