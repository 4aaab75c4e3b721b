"""What every request passes is plain ASGI."""

import ast

import pytest

from tests.structure import rules

CODE = rules.files("workbook_lib/kit/*.py", "services/*.py")


def task_group_middleware(source: str) -> list[str]:
    """Uses of Starlette's BaseHTTPMiddleware, by name or through FastAPI's `@app.middleware("http")`.

    It opens a task group for each request, and context variables that are set inside don't come out.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id="BaseHTTPMiddleware") | ast.Attribute(attr="BaseHTTPMiddleware" | "middleware"):
                found.append(ast.unparse(node))
            case ast.ImportFrom(module="starlette.middleware.base"):
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", CODE, ids=rules.name_of)
def test_kit_and_services_use_no_base_http_middleware(path):
    assert task_group_middleware(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "class Slow(BaseHTTPMiddleware): ...",
        "from starlette.middleware.base import BaseHTTPMiddleware as Base",
        '@app.middleware("http")\nasync def slow(request, call_next): ...',
        "app.add_middleware(base.BaseHTTPMiddleware, dispatch=f)",
    ],
)
def test_every_way_to_it_is_found(source):
    assert task_group_middleware(source) != []
