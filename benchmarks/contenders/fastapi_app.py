"""FastAPI, its answer through a response model, as its documentation teaches."""

from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.contenders.data import user


class User(BaseModel):
    """What it answers."""

    id: int
    name: str
    email: str
    roles: list[str]


app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})


@app.get("/users/{user_id}")
async def get_user(user_id: int) -> User:
    """The route."""
    return User(**user(user_id))
