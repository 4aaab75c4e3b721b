"""What a service is built from. Import its modules by name; nothing here knows Jupyter or starts processes."""
