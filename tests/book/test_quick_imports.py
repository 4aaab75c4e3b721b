"""A notebook's process starts without compiling grammars that nothing uses."""

import subprocess
import sys

CODE = """
import sys
from workbook_lib.book.quick_imports import skip_iri_grammars
skip_iri_grammars()
import nbformat, papermill.execute
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
nbformat.validate(notebook)
notebook.cells[0]["unknown"] = 1
try:
    nbformat.validate(notebook)
except nbformat.ValidationError:
    print("still validates", "lark" in sys.modules)
"""


def test_notebooks_are_still_validated_and_no_grammar_is_compiled():
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "still validates False\n"
