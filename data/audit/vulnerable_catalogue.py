"""VULNERABLE ON PURPOSE, as a target for audits: one query twice, pasted together and bound."""

import sqlite3

from fastapi import FastAPI
from fastapi.responses import JSONResponse

app = FastAPI(title="A catalogue with one hole")

Row = tuple[str | int, ...]


def by_pasting(name: str) -> list[Row]:
    """Whoever chooses `name` writes the statement."""
    query = f"SELECT name, price_cents FROM products WHERE name = '{name}'"  # noqa: S608 - the planted fault
    return _database().execute(query).fetchall()


def by_binding(name: str) -> list[Row]:
    """`name` travels apart from the statement and can only ever be a value."""
    return _database().execute("SELECT name, price_cents FROM products WHERE name = ?", (name,)).fetchall()


@app.get("/pasted")
@app.get("/pasted/{name}")
def pasted(name: str) -> list[Row]:
    """Products of this name."""
    return by_pasting(name)


@app.get("/bound")
def bound(name: str) -> list[Row]:
    """Products of this name."""
    return by_binding(name)


@app.exception_handler(sqlite3.Error)
def database_failed(_request: object, error: sqlite3.Error) -> JSONResponse:
    """Say too much, as such programs do."""
    return JSONResponse({"error": str(error)}, status_code=500)


def _database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        """
        CREATE TABLE products (name TEXT, price_cents INTEGER);
        INSERT INTO products VALUES ('keyboard', 6900), ('mouse', 2500), ('monitor', 19900);
        CREATE TABLE customers (email TEXT, card_number TEXT);
        INSERT INTO customers VALUES ('alice.novak@example.com', '0000 1111 2222 3333');
        """
    )
    return connection
