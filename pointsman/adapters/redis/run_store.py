"""RedisRunStore: the open runs of one partition, each change one script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pointsman.adapters.redis.codec import changed_fields, head_fields, lay_out
from pointsman.adapters.redis.congestion import MemoryGauge
from pointsman.adapters.redis.connection import is_unknown_script
from pointsman.adapters.redis.dump import read_everything
from pointsman.adapters.redis.faults import closed
from pointsman.adapters.redis.packing import Argument, pack, pack_call
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.records import pairs, read_snapshot
from pointsman.adapters.redis.scripts import script
from pointsman.adapters.redis.wire import Answer
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Digest, Millis, RunId
from pointsman.ports.congestion import SOFT_LIMIT
from pointsman.ports.run_store import LATEST_START_MS, Link, Recalled
from pointsman.protocol.outcome import Outcome, StartOutcome
from pointsman.protocol.state import FINAL, Snapshot
from pointsman.protocol.transition import Sealed, Transition
from pointsman.step import opened_by
from pointsman.step.kept import read_history

UNUSED_PLAN_S: Final = 3_600
"""How long a plan stays that no run uses: an edit that is about to use it is done long before."""

_OUTCOMES: Final[dict[bytes, Outcome]] = {
    b"applied": "applied",
    b"stale": "stale",
    b"closed": "closed",
    b"held": "held",
    b"fenced": "fenced",
    b"missing": "missing",
}
_STARTS: Final[dict[str, StartOutcome]] = {"started": "started", "exists": "exists", "late": "late", "fenced": "fenced"}
_FIXED_KEYS: Final = 12
_MEMORY_IS_FULL: Final = "SRV008"


class RedisRunStore:
    """The adapter of `pointsman.ports.run_store.RunStore`; the docstrings there hold here.

    Every method raises `ServerUnavailable` (SRV001 to SRV012) where Redis cannot be used. After that it is not known
    whether a change was made: load the run again, its tip tells.
    """

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._keys = partition.keys
        self._connection = partition.connection
        self._apply_sha = script("apply_transition").sha.encode()
        self._memory = MemoryGauge(partition.connection)

    async def start(self, sealed: Sealed, plan: bytes, by: Millis | None = None) -> StartOutcome:
        """Create a run; `refused` while Redis uses more than 0.8 of the memory it may use."""
        if await self._memory.share() > SOFT_LIMIT:
            return "refused"
        change, keys = sealed.transition, self._keys
        head = opened_by(change, sealed.tip).head
        layout = lay_out(change, head_fields(head))
        names = (*keys.state(change.run_id), keys.timers, keys.signals, keys.outbox, keys.events)
        plans = (keys.ir(change.run_id), keys.plans, keys.plan(head.plan), keys.tombstone(change.run_id))
        streams = (keys.tasks(name) for name in layout.types)
        told = (change.run_id, head.plan, plan, sealed.tip, change.seq, sealed.event, self._channel(change))
        try:
            status, _ = await self._partition.run(
                "start_run",
                (*names, *plans, *streams),
                (*told, layout.counts, "" if by is None else by, *layout.sections),
            )
        except ServerUnavailable as why:
            if why.code == _MEMORY_IS_FULL:
                return "refused"
            raise
        if status == "started":
            await self._partition.know_types(layout.types)
        return _STARTS[status]

    async def load(self, runs: Sequence[RunId]) -> dict[RunId, Snapshot]:
        """Load snapshots, one script a run, all in one round trip."""
        sha = script("load_run").sha
        calls = []
        for run in runs:
            head, _, tokens, joins, context, frames, _ = self._keys.state(run)
            calls.append(pack((("EVALSHA", sha, 5, head, tokens, joins, context, frames),)))
        answers = [self._connection.checked(answer) for answer in await self._call(calls)]
        found = zip(runs, answers, strict=True)
        return {run: read_snapshot(run, *hashes) for run, (status, *hashes) in found if status == b"found"}

    async def recall(self, run: RunId) -> Recalled | None:
        """Load a run and its history, in one script."""
        head, _, *parts = self._keys.state(run)
        status, *hashes = await self._connection.run(script("load_run"), (head, *parts), ())
        if status != b"found":
            return None
        *snapshot, past = hashes
        return Recalled(
            read_snapshot(run, *snapshot),
            read_history(run, {name.decode(): lines for name, lines in pairs(past)}),
        )

    async def apply(self, links: Sequence[Link]) -> list[Outcome]:
        """Apply links in order, all in one round trip."""
        types: set[str] = set()
        calls = [self._packed(link, types) for link in links]
        answers = [self._connection.checked(answer) for answer in await self._call(calls)]
        outcomes = [_OUTCOMES[answer[0]] for answer in answers]
        if "fenced" in outcomes and await self._partition.rejoin():
            # It was this process that was in an older epoch, and whatever it stepped from is outdated.
            outcomes = ["stale" if outcome == "fenced" else outcome for outcome in outcomes]
        elif "applied" in outcomes:
            await self._partition.know_types(types)
        return outcomes

    async def hold(self, run: RunId, owner: str, ms: int) -> bool:
        """Take or end a hold."""
        status, _ = await self._partition.run("hold_run", (self._keys.state(run)[0],), (owner, ms))
        return status == "held"

    async def plan(self, digest: Digest) -> bytes | None:
        """A plan's canonical JSON."""
        body: bytes | None = await self._connection.ask("GET", self._keys.plan(digest))
        return body

    async def put_plan(self, run: RunId, digest: Digest, plan: bytes) -> None:
        """Store a plan; it goes after an hour in which no run came to use it."""
        keys = (self._keys.plans, self._keys.plan(digest))
        status, _ = await self._partition.run("put_plan", keys, (digest, plan, UNUSED_PLAN_S))
        if status == "fenced":
            raise closed(self._connection.address)

    async def finish(self, runs: Sequence[RunId]) -> list[bool]:
        """Remove final runs, in two round trips however many there are."""
        asked = [(("HGET", self._keys.state(run)[0], "plans"), ("GET", self._keys.ir(run))) for run in runs]
        told = await self._connection.ask_all([command for pair in asked for command in pair])
        calls = [self._finishing(*each) for each in zip(runs, told[::2], told[1::2], strict=True)]
        answers = [self._connection.checked(answer) for answer in await self._call(calls)]
        statuses = [status for status, *_ in answers]
        if b"fenced" in statuses:
            await self._partition.rejoin()
            raise closed(self._connection.address)
        return [status == b"finished" for status in statuses]

    async def now(self) -> Millis:
        """Redis' clock; measured anew every few seconds, reckoned in between."""
        return await self._partition.clock.synced()

    async def fire_timers(self, limit: int) -> int:
        """Turn due timers into signals."""
        keys = (self._keys.timers, self._keys.signals)
        status, rest = await self._partition.run("claim_timers", keys, (limit,))
        return int(rest[0]) if status == "claimed" else 0

    async def dump(self) -> Mapping[str, object]:
        """Everything in the database, by key."""
        return await read_everything(self._connection)

    def _packed(self, link: Link, types: set[str]) -> bytes:
        sealed, keys = link.sealed, self._keys
        change = sealed.transition
        known = keys.packed_run(change.run_id)
        told: tuple[Argument, ...] = (self._partition.epoch, change.run_id, link.delivery or "", change.prev)
        if change.is_empty:
            return pack_call(self._apply_sha, _FIXED_KEYS, known, (), (*told, "", "", "", "", "", "", link.owner))
        layout = lay_out(change, changed_fields(change))
        types.update(layout.types)
        names = [keys.tasks(name) for name in layout.types]
        digest = ""
        if change.patch is not None:
            digest = change.patch.plan
            names += (keys.plans, keys.plan(digest), keys.ir(change.run_id))
        news = (sealed.tip, change.seq, sealed.event, self._channel(change), digest, layout.counts, link.owner)
        return pack_call(self._apply_sha, _FIXED_KEYS, known, names, (*told, *news, *layout.sections))

    def _channel(self, change: Transition) -> str:
        return self._keys.ended if change.status in FINAL else ""

    async def _call(self, calls: list[bytes]) -> list[Answer]:
        """The answers to packed script calls. Those that met a server without the scripts are sent again.

        Of a chain, links behind such a one may have been refused meanwhile: that is what `stale` is for.
        """
        if not calls:
            return []
        met = self._connection.incarnation
        answers = await self._connection.exchange(b"".join(calls), len(calls))
        unknown = [place for place, answer in enumerate(answers) if is_unknown_script(answer)]
        if unknown:
            packed = b"".join(calls[place] for place in unknown)
            again = await self._connection.exchange_again(packed, len(unknown), met)
            for place, answer in zip(unknown, again, strict=True):
                answers[place] = answer
        return answers

    def _finishing(self, run: RunId, earlier: bytes | None, current: bytes | None) -> bytes:
        """The call that removes a run which has had these plans."""
        digests = [digest for digest in ((earlier or b"") + b" " + (current or b"")).decode().split(" ") if digest]
        keys = self._keys
        own = (keys.epoch, *keys.state(run), keys.ir(run), keys.plans, keys.tombstone(run))
        names = (*own, *(keys.plan(digest) for digest in digests))
        kept = (UNUSED_PLAN_S, 2 * LATEST_START_MS)
        told: tuple[Argument, ...] = (self._partition.epoch, " ".join(digests), *kept, *digests)
        return pack((("EVALSHA", script("finish_run").sha, len(names), *names, *told),))
