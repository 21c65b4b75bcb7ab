"""One module spells every Redis key; the scripts are handed theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.architecture.lua import Script, scripts
from tests.architecture.tree import ROOT, Source, assert_holds, assert_none, product, sample, strings

KEYS = "pointsman/adapters/redis/keys.py"
FAMILIES = ("run", "counter", "tokens", "joins", "context", "history", "plan", "ir", "loop", "worker", "frames")
KEY = re.compile(rf"(?:(?:{'|'.join(FAMILIES)}):(?!\s)|wf\.[a-z]+|completion_(?:signals|events)\Z)")


def key_literals(source: Source) -> Iterator[str]:
    if source.path == KEYS:
        return
    for node, text in strings(source):
        if KEY.match(text):
            yield source.at(node, f"spells the key {text!r}")


def key_literals_in_script(script: Script) -> Iterator[str]:
    for text in re.findall(r"['\"]([^'\"]*)['\"]", "\n".join(script.body)):
        if KEY.match(text):
            yield f"lua/{script.name}.lua: spells the key {text!r}"


def test_only_one_module_spells_redis_keys() -> None:
    assert_holds(key_literals, product())


def test_scripts_are_handed_their_keys_by_name() -> None:
    assert_none(breach for script in scripts(ROOT / "lua") for breach in key_literals_in_script(script))


@pytest.mark.parametrize("text", ["k = f'run:{run}'", "k = 'wf.signals'", "k = 'completion_signals'", "k = 'ir:' + r"])
def test_a_key_spelled_elsewhere_would_be_found(text: str) -> None:
    assert len(list(key_literals(sample(text)))) == 1
    assert list(key_literals(sample(text, KEYS))) == []


@pytest.mark.parametrize("text", ["m = f'run: {why}'", "def f():\n    '''run:x of wf.signals.'''", "m = 'a run:x'"])
def test_messages_about_keys_are_not_keys(text: str) -> None:
    assert list(key_literals(sample(text))) == []


def test_a_key_spelled_in_a_script_would_be_found() -> None:
    script = Script("sample", "-- wf.timers\nlocal x = redis.call('GET', 'run:' .. id)")
    assert list(key_literals_in_script(script)) == ["lua/sample.lua: spells the key 'run:'"]
