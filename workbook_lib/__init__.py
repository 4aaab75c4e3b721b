"""The Microservices Workbook.

`kit` is what services are built from, `lab` what chapters are run with, `book` what runs the chapters.
"""
