"""Dead letters as the journal writes them: once each, and settled by what becomes of their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pointsman.adapters.postgres.append import append
from pointsman.adapters.postgres.dead_letters import PostgresDeadLetters
from pointsman.adapters.postgres.documents import Documents
from pointsman.base.ids import Millis, NodeId, RunId, TokenId
from pointsman.ports.dead_letters import LetterFilter, Place, RejectedSignal
from pointsman.protocol.dead_letter import Addressee, DeadToken, addressee
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Redrive, Skip
from pointsman.protocol.state import ErrorInfo
from tests.support.journalled import BODY, Story

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool
    from pointsman.ports.journal import JournalEvent
    from pointsman.ports.journal_writer import Written

A = TokenId(":a")
RUN = RunId("run_1")


@pytest.fixture
async def letters(pool: Pool) -> PostgresDeadLetters:
    await Documents(pool).put_definition(BODY)
    await Documents(pool).put_plan(BODY)
    return PostgresDeadLetters(pool)


def dead(attempt: int = 1, code: str = "busy", *, parked: bool = True, token: TokenId = A) -> tuple[DeadToken, ...]:
    return (DeadToken(token, attempt, ErrorInfo(code, "not now"), "mail", parked),)


async def write(pool: Pool, events: list[JournalEvent]) -> Written:
    async with pool.acquire() as connection:
        return await append(connection, events)


async def told(letters: PostgresDeadLetters, **wanted: Any) -> list[tuple[Any, ...]]:
    """Kind, status, attempt and code of letters, the oldest first."""
    found = await letters.page(LetterFilter(**wanted))
    return [(letter.kind, letter.status, letter.attempt, letter.code) for letter in reversed(found)]


async def test_a_letter_is_written_with_its_event_and_once(pool: Pool, letters: PostgresDeadLetters) -> None:
    story = Story().start().tell("failed", dead=dead())
    assert (await write(pool, story.events)).dead == ("failed",)
    # When the batch is written once more, whole and in part, then nothing is added
    assert (await write(pool, story.events)).dead == ()
    assert (await write(pool, story.events[1:])).dead == ()
    (letter,) = await letters.page(LetterFilter())
    assert await letters.get(letter.id) == letter
    assert (letter.run_id, letter.workflow, letter.node, letter.type, letter.seq) == (RUN, "triage", "a", "mail", 2)
    assert (letter.message, letter.is_parked, letter.decided_at) == ("not now", True, None)


async def test_a_redrive_settles_the_letters_before_it_and_none_behind(
    pool: Pool, letters: PostgresDeadLetters
) -> None:
    # Given a node that is parked, redriven, parked again, redriven with another input, parked, given up
    story = Story().start().tell("failed", dead=dead(1))
    story.tell("redrive", unparked=(A,), signal=Redrive(RUN, A, 1, None, "ann", "again"))
    story.tell("failed", dead=dead(2))
    story.tell("redrive", unparked=(A,), signal=Redrive(RUN, A, 2, inline(8), "bob", ""))
    story.tell("worker_lost", dead=dead(3, "poison"))
    story.tell("skip", unparked=(A,), signal=Skip(RUN, A, 3, "ann", "never mind"))
    # When all of it comes in one batch
    await write(pool, story.events)
    # Then each letter knows what became of it
    assert await told(letters) == [
        ("failed", "redriven", 1, "busy"),
        ("failed", "redriven", 2, "busy"),
        ("poison", "skipped", 3, "poison"),
    ]
    found = (await letters.page(LetterFilter()))[::-1]
    assert [(one.decided_by, one.reason, one.is_edited) for one in found] == [
        ("ann", "again", False),
        ("bob", "", True),
        ("ann", "never mind", False),
    ]


async def test_a_parked_node_that_goes_on_by_itself_closes_its_letter(pool: Pool, letters: PostgresDeadLetters) -> None:
    story = Story().start().tell("failed", dead=dead()).tell("completed", unparked=(A,))
    await write(pool, story.events)
    (letter,) = await letters.page(LetterFilter())
    assert (letter.status, letter.decided_by, letter.reason) == ("closed", "", "completed")


async def test_a_letter_of_an_event_that_recovery_took_back_is_none(pool: Pool, letters: PostgresDeadLetters) -> None:
    story = Story().start().tell("failed", dead=dead())
    await write(pool, story.events)
    (letter,) = await letters.page(LetterFilter())
    # When a later epoch begins before the failure
    later = Story(epoch=2).start().tell("recovered")
    await write(pool, later.events[1:])
    # Then there was no failure
    assert await letters.page(LetterFilter()) == []
    assert await letters.get(letter.id) is None


async def test_letters_are_found_by_all_that_is_known_of_them(pool: Pool, letters: PostgresDeadLetters) -> None:
    # Given letters of two runs and of a signal
    first = Story("run_1").start().tell("failed", dead=dead(parked=False))
    second = (
        Story("run_2", start_at=1_800_000_000_000).start().tell("failed", dead=dead(code="gone", token=TokenId(":b")))
    )
    await write(pool, [*first.events, *second.events])
    await letters.record([RejectedSignal("1900000000000-0", b'{"run_id": "run_2"}', 19, "SIG001", "odd")])
    # Then each filter leaves those that it is about
    filters: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["busy", "gone", "SIG001"]),
        ({"run": RunId("run_2")}, ["gone", "SIG001"]),
        ({"workflow": "triage"}, ["busy", "gone", "SIG001"]),
        ({"node": NodeId("b")}, ["gone"]),
        ({"type": "mail"}, ["busy", "gone"]),
        ({"kind": "rejected"}, ["SIG001"]),
        ({"code": "busy"}, ["busy"]),
        ({"since": Millis(1_750_000_000_000)}, ["gone", "SIG001"]),
        ({"status": "redriven"}, []),
    ]
    for wanted, codes in filters:
        assert [code for *_, code in await told(letters, **wanted)] == codes, wanted
    # And pages follow each other
    newest = await letters.page(LetterFilter(), limit=1)
    rest = await letters.page(LetterFilter(), after=Place(newest[0].at, newest[0].id))
    assert [letter.code for letter in (*newest, *rest)] == ["SIG001", "gone", "busy"]


async def test_a_signal_is_written_down_once_and_marked_when_it_was_put_back(letters: PostgresDeadLetters) -> None:
    signal = RejectedSignal("1-1", b"\xff\x00 junk", 6, "SIG001", "no\0JSON")
    assert [await letters.record([signal]), await letters.record([signal, signal])] == [1, 0]
    (letter,) = await letters.page(LetterFilter())
    assert (letter.signal, letter.is_whole, letter.message) == (
        b"\xff\x00 junk",
        False,
        "no\N{REPLACEMENT CHARACTER}JSON",
    )
    # When it was put back
    async with letters.deciding(letter.id) as deciding:
        assert deciding is not None
        await deciding.redriven("ann", "mended", is_edited=True)
    # Then it is settled, and nobody decides again
    async with letters.deciding(letter.id) as deciding:
        assert deciding is None
    assert await told(letters) == [("rejected", "redriven", None, "SIG001")]


@pytest.mark.parametrize(
    ("signal", "about"),
    [
        (b'{"job_id": "run_1:polish[2]:a:3", "status": "fine"}', ("run_1", "polish[2]:a", "a", 3)),
        (b'{"status": "completed", "run_id":"run_1", "node_id" : "a", "result_da', ("run_1", None, "a", None)),
        (b'{"job_id": "42", "run_id": "run/1"}', (None, None, None, None)),
        (b"\xff\xfe", (None, None, None, None)),
    ],
)
def test_whom_a_broken_signal_is_about_is_guessed(signal: bytes, about: tuple[Any, ...]) -> None:
    assert addressee(signal) == Addressee(*about)
