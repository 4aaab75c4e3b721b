"""Two banks on PostgreSQL and a coordinator; as a script, one transfer that dies at a failpoint."""

import asyncio
import sys
from contextlib import asynccontextmanager

from sqlalchemy import Column, Integer, MetaData, String, Table, select, text, update

from workbook_lib.kit import failpoints
from workbook_lib.kit.postgres import database_url
from workbook_lib.kit.storage import Database
from workbook_lib.kit.two_phase import DecisionLog, TwoPhaseCoordinator

ACCOUNTS = MetaData()
accounts = Table("accounts", ACCOUNTS, Column("id", String, primary_key=True), Column("cents", Integer))
OWN = MetaData()
log = DecisionLog(OWN)


class Bank:
    """East and west: one account each, of 100 cents at first."""

    def __init__(self, server_url: str, prefix: str, *, owner: str = "one", west_url: str = "") -> None:
        east = Database(database_url(server_url, f"{prefix}_east"), metadata=ACCOUNTS)
        west = Database(west_url or database_url(server_url, f"{prefix}_west"), metadata=ACCOUNTS)
        self.own = Database(database_url(server_url, f"{prefix}_own"), metadata=OWN)
        self.participants = {"east": east, "west": west}
        self.coordinator = TwoPhaseCoordinator(
            "bank", self.participants, log, self.own, owner=owner, lock_timeout_seconds=0.3
        )

    @asynccontextmanager
    async def open(self):
        databases = [self.own, *self.participants.values()]
        for database in databases:
            await database.start()
        try:
            yield self
        finally:
            await self.coordinator.stop()
            for database in databases:
                await database.stop()

    async def transfer(self, tx: str, cents: int) -> None:
        async with self.coordinator.transaction(tx) as transaction:
            await transaction["east"].execute(update(accounts).values(cents=accounts.c.cents - cents))
            await transaction["west"].execute(update(accounts).values(cents=accounts.c.cents + cents))

    async def balances(self) -> dict[str, int]:
        return {name: await self._one(database) for name, database in self.participants.items()}

    async def in_doubt(self) -> int:
        async with self.own.session(read_only=True) as session:
            return await session.scalar(
                text("SELECT count(*) FROM pg_prepared_xacts WHERE starts_with(database, :p)"),
                {"p": self.own.url.database.removesuffix("own")},
            )

    async def decisions(self) -> dict[str, str]:
        async with self.own.session(read_only=True) as session:
            rows = await session.execute(text("SELECT tx, decision FROM two_phase_decisions"))
            return {tx: decision for tx, decision in rows}  # noqa: C416 - rows are tuples of some width

    @staticmethod
    async def _one(database: Database) -> int:
        async with database.session(read_only=True) as session:
            return await session.scalar(select(accounts.c.cents))


async def main(server_url: str, prefix: str, failpoint: str) -> None:
    async with Bank(server_url, prefix).open() as bank:
        failpoints.arm(failpoint, "kill")
        await bank.transfer("crashed", 30)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
