"""A coordinator that decides nothing: W1's floor. Same processes, batches and Redis commands, `step` a constant answer.

What each step of the chain changes was computed once, on a run with a placeholder for an id; here the id is put in.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

from msgspec.structs import replace

from bench import plans
from coordinator.back_pressure import BackPressure
from coordinator.loop import Loop
from pointsman.adapters.redis.congestion import RedisCongestion
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.adapters.redis.signal_source import RedisSignalSource
from pointsman.base.ids import Digest, Millis, NodeId, RunId, Tip
from pointsman.expr import engine
from pointsman.plan import Plan
from pointsman.ports.run_store import Link
from pointsman.ports.signal_source import Delivery
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Completed, decode_signal
from pointsman.protocol.state import RunHead
from pointsman.protocol.transition import Sealed, Transition, seal
from pointsman.service import Exit, Service, main
from pointsman.settings import Settings
from pointsman.step import Program, advance, opened_by, start, step

STEPS = 10
PLACEHOLDER = RunId("00-placeholder-00")


def tip(seq: int) -> Tip:
    """The tips of a floor run: what seq it is at, so that none has to be computed."""
    return Tip(f"tip-{seq:012}")


def constant_transitions(plan: Plan) -> list[Transition]:
    """What happens to one run of `plan`, a chain, from its start to its end."""
    own = engine()
    program = Program(plan, own)
    head = RunHead(PLACEHOLDER, plan.name, Digest("0" * 64), Digest("0" * 64), own.name, Millis(0))
    made = [start(program, head, Millis(1_700_000_000_000))]
    run = opened_by(made[0], tip(1))
    for number, node in enumerate(plan.nodes, 2):
        done = Completed(PLACEHOLDER, next(iter(run.tokens)), 1, inline({"at": 10**15, "pad": "x" * 66}), node.id)
        change = step(program, run, done, Millis(1_700_000_000_000))
        advance(run, change, tip(number))
        made.append(change)
    return made


class ConstantBatch:
    """Answers each signal of a chain with the transition that was computed beforehand."""

    def __init__(self, store: RedisRunStore, plan: Plan) -> None:
        self._store = store
        self._answers = [(change, seal(change).event) for change in constant_transitions(plan)]
        self._places = {node.id: place for place, node in enumerate(plan.nodes, 1)}

    async def begin(self, deliveries: Sequence[Delivery]) -> None:
        """Apply the constant answers of a batch."""
        if deliveries:
            await self._store.apply([self._link(delivery) for delivery in deliveries])

    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """The same: nothing is left from batches before."""
        await self.begin(deliveries)

    def _link(self, delivery: Delivery) -> Link:
        signal = decode_signal(delivery.body)
        assert isinstance(signal, Completed)
        assert signal.token is not None
        change, event = self._answers[self._places[NodeId(signal.token[1:])]]
        run, placeholder = signal.run_id, PLACEHOLDER.encode()
        dispatches = tuple(
            replace(dispatch, body=dispatch.body.replace(placeholder, run.encode())) for dispatch in change.dispatches
        )
        change = replace(change, run_id=run, prev=tip(change.seq - 1), dispatches=dispatches)
        return Link(Sealed(change, event.replace(placeholder, run.encode()), tip(change.seq)), delivery.id)


async def run(settings: Settings) -> Exit:
    """Be the floor."""
    service = Service(settings)
    partition = await Partition.open(settings.redis_dsn)
    source = RedisSignalSource(partition, consumer=f"floor:{os.getpid()}")
    batch = ConstantBatch(RedisRunStore(partition), plans.chain(engine(), STEPS))
    own = settings.coordinator
    room = BackPressure(RedisCongestion(partition), service.drain)
    loop = Loop(source, batch, room, service.drain, own.batch_size, own.block_ms, own.claim_idle_ms)
    try:
        return await service.run({"signals": loop.run})
    finally:
        await asyncio.gather(source.aclose(), partition.aclose())


if __name__ == "__main__":
    sys.exit(main("coordinator", run))
