"""The Microservices Workbook: kit (what services are built from), lab (what chapters are run with), book (the runner)."""
