"""Random edits of random definitions, and runs of them driven to their end by a fixed rule."""

from __future__ import annotations

import zlib
from copy import deepcopy
from random import Random
from typing import Any

from hypothesis import strategies as st

from pointsman.compile import compile_source
from pointsman.plan import Plan
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Completed, Failed
from tests.support.definitions import Document
from tests.support.driven import RUN, cel
from tests.support.edited import EditedRun

MOST_SIGNALS = 400


def compiled(document: Document) -> Plan:
    """The plan of a definition. Raises `InvalidDefinition`."""
    return compile_source(document, cel(), name="random")[1].plan


@st.composite
def additions(draw: st.DrawFn, document: Document) -> Document:
    """The document with one or two nodes and a few edges more; it need not compile."""
    edited = deepcopy(document)
    for number in range(draw(st.integers(1, 2))):
        name = f"added{number}"
        names = [node["id"] for node in edited["nodes"]]
        edited["nodes"].append({"id": name, "type": "function"})
        behind = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
        edited["edges"] = [*edited.get("edges", []), *({"from": source, "to": name} for source in behind)]
        before = draw(st.lists(st.sampled_from(names), max_size=1))
        edited["edges"] += [{"from": name, "to": target} for target in before]
    return edited


def answer(token: str) -> dict[str, int]:
    """What the worker of a token answers, whenever it is asked."""
    return {"x": zlib.crc32(token.encode()) % 4}


def advance_by(run: EditedRun, signals: int, order: Random, *, failing: int = 0) -> int:
    """Take up to so many signals, each chosen by `order` among what can happen; how many there were.

    `failing` per cent of the attempts fail, always the same ones.
    """
    for taken in range(signals):
        if not _advance(run, order, failing):
            return taken
    return signals


def drive(run: EditedRun, order: Random, *, failing: int = 0) -> None:
    """Drive a run to its end."""
    taken = advance_by(run, MOST_SIGNALS, order, failing=failing)
    assert taken < MOST_SIGNALS, f"{run.open} after {taken} signals"


def _advance(run: EditedRun, order: Random, failing: int) -> bool:
    out: list[Any] = sorted(name for name, state in run.snapshot.tokens.items() if state.state == "dispatched")
    clock = sorted(run.clock)
    if out and (not clock or order.random() < 0.9):
        token = order.choice(out)
        attempt = run.snapshot.tokens[token].attempt
        if zlib.crc32(f"{token}#{attempt}".encode()) % 100 < failing:
            run.take(Failed(RUN, token, attempt, "boom"))
        else:
            run.take(Completed(RUN, token, attempt, inline(answer(token))))
        return True
    if clock:
        run.fire(order.choice(clock))
        return True
    return False
