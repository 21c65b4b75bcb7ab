"""Whatever is applied: what is loaded, what the events fold to, and what stands on streams and clock agree."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.base.ids import EdgeId, FrameId, Millis, NodeId, TimerId, TokenId, split_token
from pointsman.ports.run_store import Link
from pointsman.protocol.note import Note
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Completed, Failed, Pause, TimerFired
from pointsman.protocol.state import ErrorInfo, Frame, OpenToken, Result, Snapshot, Timer
from pointsman.protocol.transition import Dispatch, Message, Sealed, decode_event
from pointsman.step import fold
from tests.conformance.worlds import World
from tests.support.stories import PLAN_BODY, START, Story, body

TYPES = ("function", "agent", "http")
_NUMBERS = count()


class Chance:
    """Makes any transition that the types allow from where a run stands."""

    def __init__(self, story: Story, random: Random) -> None:
        self.story = story
        self.random = random
        self.names = count()

    def transition(self) -> Sealed:
        """Any transition, or the verdict that nothing changes."""
        if self.random.random() < 0.1:
            return self.story.idles()
        run, seq = self.story.snapshot, self.story.snapshot.head.seq + 1
        closed = self.some(run.tokens)
        changed = [token for token in self.some(run.tokens) if token not in closed]
        fresh = [TokenId(f"{self.frame()}:n{next(self.names)}") for _ in range(self.random.randrange(4))]
        opened = {token: self.open_token(seq, run.tokens.get(token)) for token in (*changed, *fresh)}
        withdrawn = {
            token: before.type
            for token in (*closed, *changed)
            if (before := run.tokens[token]).type and not self.stays(before, opened.get(token))
        }
        sent = [
            token
            for token in opened
            if opened[token].type and (token in fresh or token in withdrawn or not run.tokens[token].type)
        ]
        return self.story.make(
            cause="any",
            signal=self.signal(closed),
            opened=opened,
            closed=tuple(closed),
            withdrawn=withdrawn,
            dispatches=tuple(self.dispatch(token, opened[token]) for token in sent),
            tokens_made=len(fresh),
            passes_made=self.random.randrange(2),
            ended={token: self.result() for token in (*closed, *self.some(run.results))},
            forgotten=tuple(self.some(run.results)),
            joined={TokenId(f":j{self.random.randrange(3)}"): self.edges(run) for _ in range(self.random.randrange(2))},
            unjoined=tuple(self.some(run.joins)),
            frames={
                FrameId(f"loop[{self.random.randrange(5)}]"): Frame(1, START, 1)
                for _ in range(self.random.randrange(2))
            },
            frames_ended=tuple(self.some(run.frames)),
            notes=(Note("late_signal", NodeId("x"), detail={"a": []}),) * self.random.randrange(2),
            messages=(Message(f"m{seq}", "kind", [1]),) * self.random.randrange(2),
            **({"failed": True, "error": ErrorInfo("boom")} if self.random.random() < 0.1 else {}),
            **self.clock(seq, run),
        )

    def some(self, things: Any) -> list[Any]:
        return [thing for thing in sorted(things) if self.random.random() < 0.3]

    def frame(self) -> str:
        return self.random.choice(("", "loop[1]", "loop[1]/inner[2]"))

    def open_token(self, seq: int, before: OpenToken | None) -> OpenToken:
        if before is not None and before.type and self.random.random() < 0.5:
            return OpenToken("dispatched", before.attempt, before.type, deliveries=before.deliveries + 1)
        attempt = before.attempt + 1 if before else 1
        if self.random.random() < 0.3:
            return OpenToken("backing_off", attempt, timers={TimerId("retry"): Timer(seq, START)})
        return OpenToken("dispatched", attempt, self.random.choice(TYPES), activated_at=START)

    def stays(self, before: OpenToken, after: OpenToken | None) -> bool:
        return after is not None and (after.type, after.attempt) == (before.type, before.attempt)

    def dispatch(self, token: TokenId, state: OpenToken) -> Dispatch:
        return Dispatch(token, state.type, split_token(token)[1], body(self.story.run, token, state.attempt))

    def result(self) -> Result:
        output = inline(self.random.choice(([], {}, None, 10**30, 0.1, "é\n", {"a": [{}]})))
        return Result("completed", 1, START, Millis(START + 1), output, of=(TokenId(":x"),))

    def edges(self, run: Snapshot) -> dict[EdgeId, Any]:
        return {EdgeId(f"e{next(self.names)} x"): self.random.choice(("live", "dead", "failed")) for _ in range(2)}

    def signal(self, closed: list[TokenId]) -> Any:
        run = self.story.run
        choices: list[Any] = [None, Pause(run), TimerFired(run, TimerId("retry:loop[1]:n1"), 1)]
        if closed:
            choices += [Completed(run, closed[0], 1), Failed(run, closed[0], 1, message="a\nb")]
        return self.random.choice(choices)

    def clock(self, seq: int, run: Snapshot) -> dict[str, Any]:
        """The run's own timer, armed, replaced or stopped."""
        if self.random.random() < 0.7:
            return {}
        before = run.head.timer
        disarmed = {TimerId("run"): before.generation} if before else {}
        timer = Timer(seq, Millis(START + seq))
        return {"timer": timer, "armed": {TimerId("run"): timer}, "disarmed": disarmed}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(random=st.randoms(use_true_random=False), length=st.integers(1, 25), chained=st.integers(1, 6))
async def test_loads_equal_the_fold_of_the_events(world: World, random: Random, length: int, chained: int) -> None:
    # Given a run, and any transitions, applied in chains of any length
    story = Story(f"run_{next(_NUMBERS)}", "a", "b")
    chance = Chance(story, random)
    await world.store.start(story.first, PLAN_BODY)
    for _ in range(length):
        chain = []
        for _ in range(chained):
            chain.append(Link(chance.transition()))
            story.take(chain[-1].sealed)
        # When they are applied
        assert await world.store.apply(chain) == ["applied"] * chained
        # Then store and model agree in all there is to see
        assert await world.store.load([story.run]) == {story.run: story.snapshot}
        assert await world.counter(story.run) == len(story.snapshot.tokens)
    assert await tasks_of(world, story) == tasks_out(story)
    timer = story.snapshot.head.timer
    on_clock = [f"{story.run} run {timer.generation} {timer.due}"] if timer else []
    assert [line for line in await world.timers() if line.startswith(f"{story.run} ")] == on_clock
    # And so do the events
    events = [event for event in await world.events() if event.run_id == story.run]
    assert fold((decode_event(event.body), event.tip) for event in events) == story.snapshot
    tallies = (await world.store.load([story.run]))[story.run].joins
    assert {token: list(edges) for token, edges in tallies.items()} == {
        token: list(edges) for token, edges in story.snapshot.joins.items()
    }


async def tasks_of(world: World, story: Story) -> list[bytes]:
    """What stands on the streams for a run."""
    found = [task for name in TYPES for task in await world.tasks(name)]
    return sorted(task for task in found if f'"job_id":"{story.run}:'.encode() in task)


def tasks_out(story: Story) -> list[bytes]:
    """What should: the current attempt of each token that is out."""
    tokens = story.snapshot.tokens.items()
    return sorted(body(story.run, token, state.attempt) for token, state in tokens if state.type)
