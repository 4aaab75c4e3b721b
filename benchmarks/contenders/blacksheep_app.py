"""BlackSheep."""

from __future__ import annotations

from blacksheep import Application, Response, json

from benchmarks.contenders.data import user

app = Application()


@app.router.get("/users/{int:user_id}")
async def get_user(user_id: int) -> Response:
    """The route."""
    return json(user(user_id))
