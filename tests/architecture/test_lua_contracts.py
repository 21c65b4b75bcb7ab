"""Every Lua script opens with its contract, and its body keeps it."""

from __future__ import annotations

import re

import pytest

from tests.architecture.lua import INCLUDE, Script, scripts
from tests.architecture.tree import ROOT, assert_none, other_files, relative

GOOD = """\
-- sample: take one thing off the clock.
--
-- Why a script: two steps would lose it between them.
-- KEYS[1]  wf.timers   zset of due times
-- ARGV[1]  now, Unix milliseconds
-- ARGV[2..]  names
-- Returns:
--   taken    with its name
--            and its time
--   empty    nothing was due
-- Emits: nothing.
-- Cost: O(log n)
-- Guards first, writes after: Redis does not roll back a script that fails
-- half-way.
-- Proof: tests/architecture/test_lua_contracts.py

local timers = KEYS[1]
local now = tonumber(ARGV[1])
local first = ARGV[2]

if not first then
  return {'empty'}
end
for i = 2, #ARGV do redis.call('ZREM', timers, ARGV[i]) end  -- not KEYS[9]
return {'taken', first, now}
"""


def found_in(text: str) -> list[str]:
    return [breach.removeprefix("lua/sample.lua: ") for breach in Script("sample", text).breaches()]


def test_every_script_keeps_the_contract_it_opens_with() -> None:
    assert_none(breach for script in scripts(ROOT / "lua") for breach in script.breaches())


def test_every_script_is_in_the_key_map() -> None:
    named = [script.name for script in scripts(ROOT / "lua")]
    page = ROOT / "lua" / "README.md"
    told = page.read_text() if page.exists() else ""
    assert_none(f"lua/README.md does not name {name}" for name in named if not re.search(rf"\b{name}\b", told))


def test_every_part_says_what_it_is_part_of() -> None:
    # Given the parts that scripts include
    texts = [path.read_text() for path in other_files("*.lua", "lua") if path.parent.name != "parts"]
    used = {name for text in texts for name in INCLUDE.findall(text)}
    parts = other_files("*.lua", "lua/parts")
    # Then each opens by saying so, and none is left over
    assert_none(f"{relative(path)}: opens with no comment" for path in parts if not path.read_text().startswith("-- "))
    assert {f"parts/{path.name}" for path in parts} == used


def test_a_script_that_keeps_its_contract_passes() -> None:
    assert found_in(GOOD) == []


@pytest.mark.parametrize(
    ("wrong", "right", "breach"),
    [
        ("-- other: ", "-- sample: ", "does not open with `-- sample: what it does`"),
        ("-- Because: ", "-- Why a script: ", "has no `Why`"),
        ("-- Costs: ", "-- Cost: ", "has no `Cost`"),
        ("-- nothing.\n", "-- Emits: nothing.\n", "has no `Emits`"),
        ("Guards at last", "Guards first", "lacks the sentence `Guards first, writes after: Redis does not roll back"),
        ("test_no_such.py", "test_lua_contracts.py", "its proof tests/architecture/test_no_such.py does not exist"),
        ("-- See tests", "-- Proof: tests", "names no test under `Proof`"),
        ("-- KEYS[2]  wf", "-- KEYS[1]  wf", "explains KEYS [2], not one after the other from 1"),
        ("", "-- KEYS[1]  wf.timers   zset of due times\n", "explains no KEYS; `KEYS: none` if there are none"),
        ("-- ARGV[2]  names", "-- ARGV[2..]  names", "takes any number of ARGV, which its header does not say"),
        ("local late = ARGV[3]", "local first = ARGV[2]", "explains ARGV [1, 2] and uses [1, 3]"),
        (
            "return {'gone'}",
            "return {'empty'}",
            "explains the statuses ['empty', 'taken'] and answers ['gone', 'taken']",
        ),
        ("'ZREM', KEYS[1]", "'ZREM', timers", "uses `for i = 2, #ARGV do redis.call('ZREM', KEYS[1], ARGV[i]) end`"),
    ],
)
def test_a_broken_contract_would_be_found(wrong: str, right: str, breach: str) -> None:
    assert right in GOOD
    assert any(found.startswith(breach) for found in found_in(GOOD.replace(right, wrong, 1)))
