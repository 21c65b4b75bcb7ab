"""What is gathered for the checks: the journal, what Redis held now and then, the ledgers, and what the API shows."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx

from pointsman.adapters.postgres.journal import PostgresJournal
from pointsman.base.ids import Digest, RunId, partition_of
from pointsman.expr import engine
from pointsman.plan import decode_plan
from pointsman.protocol.transition import decode_event
from pointsman.step import Program
from tests.chaos.ledger import read_ledgers
from tests.chaos.load import Load
from tests.chaos.record import Event, Kept, Line, Loss, Run

OF_A_RUN: Final = frozenset({"run", "counter", "ir", "tokens", "context", "frames", "joins", "history"})

_ASKED_AT_MOST: Final = 5

_DUMP: Final = """
local found, read = {}, {
  string = function(key) return redis.call('GET', key) end,
  hash = function(key) return redis.call('HGETALL', key) end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  stream = function(key) return redis.call('XRANGE', key, '-', '+') end,
}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  if read[kind] and not string.match(key, '^[{%d}]*plan:') then
    found[#found + 1] = {key, kind, read[kind](key)}
  end
end
return found
"""

Dump = dict[str, Any]
"""Everything in Redis at one instant but the plans: hashes and sorted sets are dicts, streams list their entries."""


class Sources(NamedTuple):
    """Where things are gathered, past all faults."""

    nodes: Sequence[Any]
    """A `Redis` for each server, that answers in bytes; its own types leave open whether it does."""
    partitions: int
    pool: Any
    """Of asyncpg."""
    client: httpx.AsyncClient
    ledgers: Path


async def dump(nodes: Sequence[Any]) -> Dump:
    """Everything in Redis at one instant; of a cluster, at one for each server."""
    told = [entry for node in nodes for entry in await node.eval(_DUMP, 0)]
    return {key.decode(): _content(kind, content) for key, kind, content in told}


def kept_runs(found: Dump) -> dict[RunId, Kept]:
    """What a dump has of each run."""
    partitions: dict[str, Dump] = defaultdict(dict)
    for name, content in found.items():
        tag, _, own = name.rpartition("}")
        partitions[tag][own] = content
    return {run: kept for own in partitions.values() for run, kept in _kept(own).items()}


def _kept(found: Dump) -> dict[RunId, Kept]:
    """What a partition has of each run."""
    keys: dict[RunId, dict[str, Any]] = defaultdict(dict)
    for name, content in found.items():
        family, _, run = name.partition(":")
        if family in OF_A_RUN:
            keys[RunId(run)][family] = content
    timers = _by_run(found.get("wf.timers", {}).items())
    fired = _by_run((member, b"") for member in _timer_signals(found))
    tasks = _by_run(
        (fields[b"run_id"] + b" " + entry, fields[b"job_id"])
        for name, entries in found.items()
        if name.startswith("wf.tasks.")
        for entry, fields in entries
    )
    return {
        run: Kept(
            families,
            timers.get(run, {}),
            frozenset(fired.get(run, ())),
            {name.partition(b" ")[2]: job for name, job in tasks.get(run, {}).items()},
        )
        for run, families in keys.items()
        if "run" in families
    }


async def losses(pool: Any) -> list[Loss]:
    """Each time that Redis was found to have lost all it had."""
    rows = await pool.fetch("SELECT epoch, began_at, partition FROM openings WHERE reason = 'state_lost'")
    return [Loss(*row) for row in rows]


async def gathered(
    sources: Sources, load: Load, kept: Iterable[dict[RunId, Kept]], lost: Sequence[Loss] = ()
) -> list[Run]:
    """Everything about every run of a load.

    Args:
        sources: Where.
        load: Which.
        kept: What Redis held now and then.
        lost: When it was found to have lost all of it.
    """
    rows = {run: await PostgresJournal(sources.pool).events(run, 0, 100_000) for run in load.asked}
    events = {run: [(decode_event(row.body), row.tip) for row in found] for run, found in rows.items()}
    programs = await _programs(sources.pool, events.values())
    definitions = await _definitions(sources.pool, events.values())
    ledger: dict[RunId, list[Line]] = defaultdict(list)
    for line in read_ledgers(sources.ledgers):
        ledger[line.run].append(line)
    left = kept_runs(await dump(sources.nodes))
    held = list(kept)
    created = await _created(sources.pool, load.asked)
    runs = [
        Run(
            run,
            events[run],
            run in load.accepted,
            sorted(ledger[run], key=lambda line: line.at),
            [edit for edit in load.edits if edit.run == run],
            await _shown(sources.client, run),
            [found[run] for found in held if run in found],
            tuple(left[run].keys) if run in left else (),
            programs,
            definitions,
            run in load.doomed,
            [redriven for redriven in load.letters.redriven if redriven.run == run],
            losses=tuple(
                loss.epoch
                for loss in lost
                if rows[run]
                and created[run] <= loss.at
                and loss.epoch <= rows[run][-1].epoch
                and loss.partition == partition_of(run, sources.partitions)
            ),
        )
        for run in load.asked
    ]
    by_id = {run.id: run for run in runs}
    return [replace(run, origin=by_id.get(_origin(run))) for run in runs]


def _origin(run: Run) -> RunId:
    started = run.events[0][0].started if run.events else None
    return started.forked.run_id if started is not None and started.forked is not None else RunId("")


async def _created(pool: Any, runs: list[RunId]) -> dict[RunId, int]:
    rows = await pool.fetch("SELECT run_id, created_at FROM runs WHERE run_id = ANY($1)", runs)
    return {row["run_id"]: row["created_at"] for row in rows}


def forget_ledgers(folder: Path) -> None:
    """Empty the ledgers, whose writers go on adding to them."""
    for path in folder.glob("*.jsonl"):
        os.truncate(path, 0)


async def _programs(pool: Any, runs: Iterable[list[Event]]) -> dict[Digest, Program]:
    changes = [change for events in runs for change, _ in events]
    digests = {made.plan for change in changes for made in (change.started, change.patch) if made is not None}
    rows = await pool.fetch("SELECT digest, body FROM plans WHERE digest = ANY($1)", sorted(digests))
    deciding = engine("cel-cpp")
    return {row["digest"]: Program(decode_plan(row["body"]), deciding) for row in rows}


async def _definitions(pool: Any, runs: Iterable[list[Event]]) -> dict[Digest, bytes]:
    patches = [change.patch for events in runs for change, _ in events if change.patch is not None]
    digests = {digest for patch in patches for digest in (patch.base_definition, patch.definition)}
    rows = await pool.fetch("SELECT digest, body FROM definitions WHERE digest = ANY($1)", sorted(digests))
    return {row["digest"]: row["body"] for row in rows}


async def _shown(client: httpx.AsyncClient, run: RunId) -> Mapping[str, Any]:
    """What the API shows of a run; an answer may have to be asked for again where the machine is busy."""
    for _ in range(_ASKED_AT_MOST):
        with suppress(httpx.HTTPError):
            answered = await client.get(f"/api/v1/runs/{run}")
            if answered.status_code == 200:
                return dict(answered.json())
    return {}


def _by_run(members: Iterable[tuple[bytes, Any]]) -> dict[RunId, dict[bytes, Any]]:
    """Members whose names begin with that of their run."""
    found: dict[RunId, dict[bytes, Any]] = defaultdict(dict)
    for member, value in members:
        found[RunId(member.partition(b" ")[0].decode())][member] = value
    return found


def _timer_signals(found: Dump) -> Iterator[bytes]:
    for _, fields in found.get("wf.signals", ()):
        told = json.loads(fields[b"signal"])
        if told["status"] == "timer":
            yield f"{told['run_id']} {told['timer']} {told.get('generation', 0)}".encode()


def _content(kind: bytes, content: Any) -> Any:
    match kind:
        case b"hash":
            return _pairs(content)
        case b"zset":
            return {member: float(score) for member, score in _pairs(content).items()}
        case b"stream":
            return [(entry, _pairs(fields)) for entry, fields in content]
        case _:
            return content


def _pairs(flat: list[Any]) -> dict[Any, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
