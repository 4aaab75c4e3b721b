"""Runs the chapters with papermill, shows progress, and writes the report and the pages.

Import from its modules: `runner`, `chapters`, `report`, `site`. The package itself imports nothing, because
`book.execute` starts once a chapter.
"""

__all__: list[str] = []
