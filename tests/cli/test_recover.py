"""`recover`: refused where nothing is lost, done here where no supervisor runs, watched where one does."""

from __future__ import annotations

import asyncio
import json

from tests.cli.conftest import Dev, Said, call, run_id_of
from tests.cli.test_archive import beside
from tests.cli.test_runs import WAITING, Call
from tests.supervisor.depot import depot_on
from tests.supervisor.spread import spread_over
from tests.support.databases import database, migrated_template
from tests.support.driven import token
from tests.support.waiting import eventually

__all__ = ["database", "migrated_template"]


def test_where_nothing_is_lost_a_recovery_is_refused_unless_all_is_to_be_rebuilt(cli: Call, dev: Dev) -> None:
    # Given a run that is open, and a Redis that holds it
    run = run_id_of(cli("run", "-", "--json", stdin=json.dumps(WAITING)))
    # When it is to be recovered, then nothing is done
    refused = beside(dev, "recover", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (5, "SRV064")
    # Unless that is asked for: then the supervisor that runs does it
    said = beside(dev, "recover", "--rebuild-all", "--json")
    assert said.code == 0, said
    assert (said.json["reason"], said.json["failed"], said.json["restored"]) == ("asked_for", 0, said.json["checked"])
    assert f"epoch {said.json['epoch']}: " in said.err
    assert cli("cancel", run).code == 0


async def test_without_a_supervisor_the_command_recovers_by_itself(database: str, redis_db: str) -> None:
    async with depot_on(database, redis_db) as depot:
        # Given a run whose first step is journalled, no supervisor, and a Redis that loses everything
        async with depot.journalling():
            run = await depot.start()
            await depot.complete(run, "a")
            await eventually(lambda: depot.is_written(run, 2))
        await depot.partition.connection.ask("FLUSHDB")

        def recover() -> Said:
            return call("recover", REDIS_URL=redis_db, DATABASE_URL=database)

        # When it is recovered
        said = await asyncio.to_thread(recover)
        # Then the run is where it was, what was out is out again, and the words say so
        assert said.code == 0, said
        assert "it had lost its state" in said.out
        assert "Of 1 open runs 1 were restored in " in said.out
        (found,) = (await depot.store.load([run])).values()
        assert {name: state.attempt for name, state in found.tokens.items()} == {token("b"): 2}
        # And a second time there is nothing to do
        assert (await asyncio.to_thread(recover)).code == 5


async def test_only_partitions_that_lost_something_are_recovered_unless_all_are_to_be(
    database: str, redis_url: str
) -> None:
    environment = {"REDIS_URL": redis_url, "DATABASE_URL": database, "POINTSMAN_PARTITIONS": "3"}

    def recover(*options: str) -> Said:
        return call("recover", *options, **environment)

    async with spread_over(3, database, redis_url) as spread:
        # Given runs in three partitions that nobody has opened but this command, and none of them open any more
        await spread.partitions.public.ask("FLUSHDB")
        opened = await asyncio.to_thread(recover)
        assert opened.out.splitlines()[0] == "Redis takes changes again in these partitions: all 3."
        runs = await spread.under_way(9)
        await spread.lose(1)
        # When it is recovered, no supervisor being there
        said = await asyncio.to_thread(recover)
        # Then that one is opened, without the runs of which the journal knows nothing
        assert said.out.splitlines() == [
            "Redis takes changes again in these partitions: 1.",
            f"Of 0 open runs 0 were restored in {said.out.split(' in ')[-1].split(' s;')[0]} s; 0 that had ended were "
            "dropped.",
        ]
        assert "partition 1, epoch " in said.err
        assert await spread.openings() == {
            0: [("first_opening", 0)],
            1: [("first_opening", 0), ("state_lost", 0)],
            2: [("first_opening", 0)],
        }
        # And what stands on the streams of the others is written down when all are to be rebuilt
        kept = [run for number, own in spread.partitions.split(runs).items() for run in own if number != 1]
        told = (await asyncio.to_thread(recover, "--rebuild-all", "--json")).json
        assert (told["restored"], [part["partition"] for part in told["partitions"]]) == (len(kept), [0, 1, 2])
        for partition in spread.partitions.all:
            await partition.rejoin()
        assert await spread.attempts(runs) == dict.fromkeys(kept, 2)
