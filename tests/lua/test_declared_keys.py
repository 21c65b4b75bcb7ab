"""Every key that a script touches is one of those it was called with: what Redis Cluster asks for."""

from __future__ import annotations

from redis.asyncio import Redis

from pointsman.adapters.redis.intake import RoutedIntake
from pointsman.adapters.redis.leases import PartitionLeases
from pointsman.adapters.redis.partition import SCRIPTS, Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.pulses import RedisPulses
from pointsman.adapters.redis.recovery import RedisRecovery
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.adapters.redis.scripts import script
from pointsman.adapters.redis.signal_source import RedisSignalSource
from pointsman.adapters.redis.workers import WorkerRegistry
from pointsman.base.ids import Digest, Millis
from pointsman.ports.recovery import Rebuilt
from pointsman.ports.run_store import Link
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Completed
from pointsman.protocol.state import Frame, OpenToken, Timer
from pointsman.protocol.transition import Message, Patch
from tests.support.stories import PLAN_BODY, START, Story, completed_signal, dispatched

KEYLESS = {"TIME", "PUBLISH"}
MANY_KEYS = {"EXISTS", "UNLINK"}


class Seen:
    """What MONITOR tells of scripts: for each call of one, the keys it was given and those its commands named."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.touched: set[str] = set()
        self.undeclared: list[str] = []
        self._declared: set[str] = set()
        self._by_sha = {script(name).sha: name for name in SCRIPTS}

    def take(self, command: str, client: str) -> None:
        """One line of MONITOR."""
        words = command.split(" ")
        verb = words[0].upper()
        if client != "lua":
            if verb == "EVALSHA":
                self.names.add(self._by_sha[words[1]])
                self._declared = set(words[3 : 3 + int(words[2])])
        elif verb not in KEYLESS:
            keys = words[1:] if verb in MANY_KEYS else words[2:3] if verb == "XGROUP" else words[1:2]
            self.touched.update(keys)
            self.undeclared += [f"{verb} {key}" for key in keys if key not in self._declared]


async def whatever_scripts_do(url: str, operator: Redis) -> None:
    """Use every script, with every section of a transition."""
    partition = await Partition.open(url)
    store, source, registry = RedisRunStore(partition), RedisSignalSource(partition, "c1"), WorkerRegistry(partition)
    story = Story("run_1", "a", "b", "c")
    await store.start(story.first, PLAN_BODY)
    await RedisPulses(partition).of([story.run], Millis(2**53))
    await registry.register("w1", ["function"], 60_000)
    await operator.xreadgroup("workers", "w1", {"wf.tasks.function": ">"}, count=1)
    await operator.delete("worker:w1")
    await registry.report_lost("w1", ["function"])
    await registry.report_lost("w1", ["function"])
    await source.send([completed_signal("run_1", ":a"), b"junk", b"later"])
    first, second, third = [(await source.read(1, 0))[0] for _ in range(3)]
    await source.postpone(third, story.run, 0)
    await source.reject(second, "SIG001", "junk")
    everything = {
        "signal": Completed(story.run, ":a", 1),
        "frames": {"x[2]": Frame(1, START, 2)},
        "frames_ended": ("x[1]",),
        "opened": {":b": dispatched(), ":q": OpenToken("queued"), ":d": dispatched(task_type="agent")},
        "dispatches": (story.dispatch(":d", 1, "agent"),),
        "joined": {":j": {"a->j": "live"}},
        "armed": {"run": Timer(2, Millis(1))},
        "disarmed": {"retry::a": 1},
        "messages": (Message("m", "k"),),
        "more": True,
        "failed": True,
        "passes_made": 1,
    }
    link = Link(story.completes("a", output=inline(1), **everything), first.id)
    story.take(link.sealed)
    patch = Patch(2, Digest("c" * 64), Digest("d" * 64), Digest("b" * 64))
    await store.put_plan(story.run, patch.plan, b"{}")
    await store.hold(story.run, "editor", 50)
    await store.hold(story.run, "editor", 0)
    second_link = Link(story.tell("patch", patch=patch, unjoined=(":j",), forgotten=(":a",)))
    last = story.tell("cancel", status="CANCELLED", closed=tuple(story.snapshot.tokens))
    assert await store.apply([link, second_link, Link(last), Link(last)]) == ["applied", "applied", "applied", "closed"]
    await store.load([story.run])
    await store.fire_timers(10)
    await operator.rpush("completion_signals", "x")
    await source.intake(0)
    assert await store.finish([story.run]) == [True]
    recovery, again = RedisRecovery(partition), Story("run_2", "a")
    await recovery.close(4_000_000_000)
    await recovery.restore([Rebuilt(again.snapshot, {}, (), again.first)])
    await recovery.drop([again.run])
    await recovery.open(4_000_000_000)
    partitions = Partitions([partition], partition.connection)
    intake = RoutedIntake(partitions, is_ours=lambda: True)
    await operator.rpush("completion_signals", "x")
    await intake.intake(0)
    await intake.aclose()
    leases = PartitionLeases(partitions, "coordinator", "c1")
    await leases.join((1, 1))
    await leases.hold([0])
    await leases.release([0])
    await leases.aclose()
    await source.aclose()
    await partition.aclose()


async def test_every_key_a_script_touches_is_declared(redis_db: str, operator: Redis) -> None:
    # Given somebody who watches the server
    seen = Seen()
    watcher = Redis.from_url(redis_db)
    async with watcher.monitor() as monitor:
        # When every script is used
        await whatever_scripts_do(redis_db, operator)
        await operator.echo("that was all")
        while (line := await monitor.next_command())["command"] != "ECHO that was all":
            seen.take(line["command"], line["client_type"])
    await watcher.aclose()
    # Then none of them touched a key that was not named in its call
    assert seen.names == set(SCRIPTS)
    assert {"epoch", "tokens:run_1", "wf.tasks.agent", "plan:" + "c" * 64} < seen.touched
    assert seen.undeclared == []
