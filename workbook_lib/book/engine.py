"""All that running a notebook imports, for the run to import once: see `workbook_lib.lab.template`."""

from workbook_lib.book.quick_imports import skip_hadoop, skip_iri_grammars

skip_iri_grammars()
skip_hadoop()

import nbclient.exceptions  # noqa: E402, F401
import nbformat  # noqa: E402, F401
import papermill.exceptions  # noqa: E402
import papermill.execute  # noqa: E402, F401

__all__: list[str] = []
