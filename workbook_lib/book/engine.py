"""All that running a notebook imports, for the run to import once: see `workbook_lib.lab.template`."""

import workbook_lib.lab.seed  # noqa: F401 - first: it notes when
from workbook_lib.book.quick_imports import skip_hadoop, skip_iri_grammars

skip_iri_grammars()
skip_hadoop()

import ipykernel.eventloops  # noqa: E402
import ipykernel.heartbeat  # noqa: E402
import ipykernel.iostream  # noqa: E402
import ipykernel.ipkernel  # noqa: E402 - all but kernelapp, which reads at once whose child it is
import ipykernel.zmqshell  # noqa: E402, F401
import nbclient.exceptions  # noqa: E402, F401
import nbformat  # noqa: E402, F401
import papermill.exceptions  # noqa: E402
import papermill.execute  # noqa: E402, F401

__all__: list[str] = []
