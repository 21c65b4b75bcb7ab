from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from pointsman.adapters.postgres.append import append
from pointsman.adapters.postgres.documents import Documents
from pointsman.adapters.postgres.runs import Runs
from pointsman.adapters.postgres.workflows import Workflows
from pointsman.base.ids import Millis, RunId
from pointsman.ports.run_index import NEWEST, OLDEST, Acceptance, Cursor, NewRun, QuietRun, Request, RunRow
from pointsman.protocol.output import EMPTY, Output, inline
from tests.support.journalled import BODY, DIGEST, Story

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

T0 = 1_700_000_000_000


@pytest.fixture
async def runs(pool: Pool) -> Runs:
    """The runs of a database that knows one workflow."""
    await Documents(pool).put_definition(BODY)
    await Documents(pool).put_plan(BODY)
    await Workflows(pool).publish("triage", DIGEST, DIGEST, "ann")
    return Runs(pool)


def new(run_id: str = "run_1", **fields: Any) -> NewRun:
    legal = {
        "workflow": "triage",
        "version": 1,
        "definition": DIGEST,
        "plan": DIGEST,
        "engine": "cel-cpp",
        "input": EMPTY,
        "metadata": None,
        "created_at": Millis(T0),
    }
    return NewRun(RunId(run_id), **{**legal, **fields})


def queued(run: NewRun) -> RunRow:
    return RunRow(
        run_id=run.run_id,
        workflow=run.workflow,
        version=run.version,
        definition=run.definition,
        plan=run.plan,
        engine=run.engine,
        status="QUEUED",
        revision=1,
        seq=0,
        input=run.input,
        output=EMPTY,
        error=None,
        metadata=run.metadata,
        created_at=run.created_at,
        started_at=None,
        ended_at=None,
    )


def request(key: str = "k1", content: str = "a") -> Request:
    return Request("POST /runs", key, content * 64)


async def write(pool: Pool, *stories: Story) -> None:
    async with pool.acquire() as connection:
        await append(connection, [event for story in stories for event in story.events])


@pytest.mark.parametrize("given", [EMPTY, inline({"a": [1]}), Output(ref="blob://ab")], ids=["none", "data", "ref"])
async def test_an_accepted_run_is_read_back_as_queued(runs: Runs, given: Output) -> None:
    run = new(input=given, metadata={"team": "blue", "odd": "\0"})
    assert await runs.accept(run) == Acceptance("accepted", queued(run))
    assert await runs.get(run.run_id) == queued(run)


async def test_a_run_id_that_is_taken_is_not_accepted_again(runs: Runs) -> None:
    first, second = new(), new(input=inline(2))
    await runs.accept(first)
    assert await runs.accept(second) == Acceptance("run_exists", queued(first))
    assert await runs.get(first.run_id) == queued(first)


async def test_an_unknown_run_is_nothing_rather_than_an_error(runs: Runs) -> None:
    assert await runs.get(RunId("run_9")) is None


async def test_the_same_request_twice_makes_one_run(runs: Runs) -> None:
    # Given a request that was accepted
    first, second = new("run_1"), new("run_2")
    assert await runs.accept(first, request()) == Acceptance("accepted", queued(first))
    # When it comes again, and its sender has drawn another run id for it
    again = await runs.accept(second, request())
    # Then it is answered with the first run, and there is no second
    assert again == Acceptance("repeated", queued(first))
    assert await runs.get(second.run_id) is None


async def test_a_key_that_comes_with_another_request_is_refused(runs: Runs) -> None:
    await runs.accept(new("run_1"), request(content="a"))
    assert await runs.accept(new("run_2"), request(content="b")) == Acceptance("key_reused")
    assert await runs.get(RunId("run_2")) is None


async def test_a_refused_start_leaves_its_key_free(runs: Runs) -> None:
    await runs.accept(new("run_1"))
    assert (await runs.accept(new("run_1"), request())).outcome == "run_exists"
    assert (await runs.accept(new("run_2"), request())).outcome == "accepted"


async def test_one_request_sent_many_times_at_once_makes_one_run(runs: Runs) -> None:
    answers = await asyncio.gather(*(runs.accept(new(f"run_{number}"), request()) for number in range(5)))
    assert sorted(answer.outcome for answer in answers) == ["accepted"] + ["repeated"] * 4
    assert len({answer.run.run_id for answer in answers if answer.run}) == 1
    assert len(await runs.page()) == 1


async def test_a_list_of_runs_is_read_page_by_page(runs: Runs, pool: Pool) -> None:
    # Given six runs, pairs of which were accepted in the same millisecond, of two workflows, some of them final
    await Workflows(pool).publish("other", DIGEST, DIGEST, "ann")
    for number in range(6):
        workflow = "triage" if number % 3 else "other"
        await runs.accept(new(f"run_{number}", workflow=workflow, created_at=Millis(T0 + number // 2)))
    await write(pool, *(Story(f"run_{number}").start().end() for number in (1, 3, 4)))

    async def pages(limit: int, **wanted: Any) -> list[list[str]]:
        found: list[list[str]] = []
        after = NEWEST
        while page := await runs.page(limit=limit, after=after, **wanted):
            found.append([row.run_id for row in page])
            after = Cursor(page[-1].created_at, page[-1].run_id)
        return found

    # Then pages follow one another without a gap or a repeat, newest first
    assert await pages(4) == [["run_5", "run_4", "run_3", "run_2"], ["run_1", "run_0"]]
    assert await pages(2, status="COMPLETED") == [["run_4", "run_3"], ["run_1"]]
    assert await pages(9, workflow="other") == [["run_3", "run_0"]]
    assert await pages(1, status="QUEUED", workflow="triage") == [["run_5"], ["run_2"]]


async def test_runs_accepted_but_not_started_are_found(runs: Runs, pool: Pool) -> None:
    # Given one run that is too young, one that started, one whose start the row has not heard of, and two others
    for number in range(4):
        await runs.accept(new(f"run_{number}", created_at=Millis(T0 + number)))
    await runs.accept(new("young", created_at=Millis(T0 + 60_000)))
    await write(pool, Story("run_1").start())
    # Then only the two are missing
    found = await runs.accepted_not_started(Millis(T0 + 30_000), "")
    assert found == [new(f"run_{number}", created_at=Millis(T0 + number)) for number in (0, 2, 3)]
    first = (await runs.accepted_not_started(Millis(T0 + 30_000), "", after=OLDEST, limit=1))[0]
    rest = await runs.accepted_not_started(Millis(T0 + 30_000), "", after=Cursor(first.created_at, first.run_id))
    assert [row.run_id for row in rest] == ["run_2", "run_3"]
    assert await runs.accepted_not_started(Millis(T0 + 30_000), "", without=[DIGEST]) == []


async def test_runs_that_wait_are_counted_by_who_sent_them(runs: Runs, pool: Pool) -> None:
    # Given runs of three tenants, all of one's started
    for number, tenant in enumerate(("blue", "", "blue", "green", "blue")):
        await runs.accept(new(f"run_{number}", created_at=Millis(T0 + number), tenant=tenant))
    await write(pool, Story("run_3").start())
    # Then the others wait, each with its own
    assert await runs.tenants_waiting() == ["", "blue"]
    assert [await runs.queued(tenant, 2) for tenant in ("", "blue", "green")] == [1, 2, 0]
    found = await runs.accepted_not_started(Millis(T0 + 30_000), "blue")
    assert [(run.run_id, run.tenant) for run in found] == [("run_0", "blue"), ("run_2", "blue"), ("run_4", "blue")]


async def test_only_running_runs_without_recent_events_are_quiet(runs: Runs, pool: Pool) -> None:
    # Given a run that went quiet, one that did not, one that is paused, one that ended and one that waits
    for number, name in enumerate(("quiet", "lively", "paused", "ended", "waiting")):
        await runs.accept(new(name, created_at=Millis(T0 + number)))
    await write(
        pool,
        Story("quiet").start().steps(2),
        Story("lively", start_at=T0 + 60_000).start(),
        Story("paused").start().tell("pause", status="PAUSED"),
        Story("ended").start().end(),
    )
    # Then the quiet one is found, once its last event is old enough
    assert await runs.quiet(Millis(T0 + 2)) == [QuietRun(Cursor(T0, "quiet"), 3)]
    assert await runs.quiet(Millis(T0 + 1)) == []
    assert await runs.quiet(Millis(T0 + 2), after=Cursor(T0, "quiet")) == []
    assert await runs.final([RunId("quiet"), RunId("ended"), RunId("nobody")]) == {"ended"}
