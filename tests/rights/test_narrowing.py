"""However a token is narrowed, it never allows what the one it was made from does not."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

from biscuit_auth import KeyPair
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.base.errors import InvalidDefinition
from pointsman.base.ids import Millis, NodeId, TokenId, split_token
from pointsman.compile import decompile
from pointsman.plan import Plan
from pointsman.rights.biscuit import holds, mint, narrow, read
from pointsman.rights.denials import denials, use_of
from pointsman.rights.effect import Effect, PastPatch, accounts_of
from pointsman.rights.grant import Grant, Limits
from pointsman.rights.graph import Graph
from tests.rights.tokens import a_grant, limited
from tests.support.definitions import CONDITIONS, definitions
from tests.support.driven import cel
from tests.support.edited import EditedRun
from tests.support.happenings import drive
from tests.support.random_edits import compiled, compiling

KEYS = KeyPair()
NOW = Millis(1_900_000_000_000)
TYPES = ("function", "http", "agent", "join", "conditional")
LIMITS = st.builds(
    Limits,
    types=st.none() | st.frozensets(st.sampled_from(TYPES)),
    nodes=st.none() | st.integers(0, 4),
    operations=st.none() | st.integers(0, 8),
    until=st.none() | st.sampled_from([Millis(NOW - 1_000), Millis(NOW + 1_000)]),
)


def allowed(text: str, grant: Grant, past: list[PastPatch], old: Plan, new: Plan, operations: int) -> bool:
    """Whether the API would take a patch."""
    if grant.until is not None and grant.until < NOW:
        return False
    accounts = accounts_of(grant, past)
    if denials(grant, accounts, old, new, operations):
        return False
    return holds(text, KEYS.public_key, grant, use_of(Effect.between(old, new), accounts, operations), NOW)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_narrowed_token_never_allows_more(data: st.DataObject) -> None:
    # Given a plan, a token for one of its nodes, narrowed again and again, and patches that holders have sent
    document = data.draw(definitions(cel(), nodes=6, depth=1))
    chance = Random(data.draw(st.integers(0, 2**32)))
    plan = compiled(document)
    issuer = chance.choice(plan.nodes).id
    texts = [mint(a_grant(issuer, limited(types=frozenset(TYPES), nodes=3, operations=6)), KEYS.private_key)]
    for limits in data.draw(st.lists(LIMITS, min_size=1, max_size=3)):
        texts.append(narrow(texts[-1], limits))
    family = [read(text, KEYS.public_key) for text in texts]
    past, plan = history(chance, family, plan, document)
    # When somebody sends any other patch
    for new in [*compiling(chance, document), *extensions(chance, plan, issuer)]:
        operations = chance.randint(0, 6)
        verdicts = [
            allowed(text, grant, past, plan, new, operations) for text, grant in zip(texts, family, strict=True)
        ]
        # Then each token in the line allows it only if the one before does
        assert verdicts == sorted(verdicts, reverse=True), verdicts


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_what_a_token_allows_leaves_all_else_as_it_was(data: st.DataObject) -> None:
    # Given any edit of any plan that a token allows
    document = data.draw(definitions(cel(), nodes=6, depth=1))
    chance = Random(data.draw(st.integers(0, 2**32)))
    old = compiled(document)
    issuer = chance.choice(old.nodes).id
    grant = a_grant(issuer, limited(types=frozenset(TYPES)))
    for new in [*compiling(chance, document), *extensions(chance, old, issuer)]:
        if denials(grant, accounts_of(grant, []), old, new, 1):
            continue
        effect = Effect.between(old, new)
        # Then what was there is there, as it was
        assert not {*effect.removed, *effect.changed, *effect.removed_edges, *effect.changed_edges}
        # What is new stands behind the issuing node
        behind = Graph(new).behind(issuer)
        assert effect.added.keys() <= behind
        # And what is not behind it waits for nothing that it did not wait for
        for node in old.nodes:
            if node.id not in Graph(old).behind(issuer):
                assert Graph(new).ins[node.id] == Graph(old).ins[node.id]


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_what_a_token_allows_changes_nothing_of_what_others_do(data: st.DataObject) -> None:
    # Given a run of any plan in which no order of answers matters, and any edit of it that a token allows
    document = data.draw(definitions(cel(), nodes=7, depth=1, passes=2, control=False))
    chance, failing = Random(data.draw(st.integers(0, 2**32))), data.draw(st.sampled_from((0, 30)))
    for node in document["nodes"]:
        node.pop("join", None)
        node["failure_policy"] = "continue"
    try:
        old = compiled(document)
    except InvalidDefinition:
        return
    issuer = chance.choice(old.nodes).id
    grant = a_grant(issuer, limited(types=frozenset(TYPES)))
    before = ended(old, failing)
    for new in extensions(chance, old, issuer):
        if denials(grant, accounts_of(grant, []), old, new, 1):
            continue
        added = {node.id for node in new.nodes} - {node.id for node in old.nodes}
        after = ended(new, failing)
        ours = {status for token, status in outcomes(after).items() if split_token(token)[1] in added}
        # Then, unless what it added fails, the run ends alike, and of each node the same becomes
        if "failed" not in ours:
            theirs = {token: how for token, how in outcomes(after).items() if split_token(token)[1] not in added}
            assert (after.status, theirs) == (before.status, outcomes(before))


def ended(plan: Plan, failing: int) -> EditedRun:
    """A run of a plan, driven to its end."""
    run = EditedRun(plan)
    drive(run, Random(0), failing=failing)
    return run


def outcomes(run: EditedRun) -> dict[TokenId, str]:
    """What has become of each activation."""
    return {token: result.status for token, result in run.snapshot.results.items()}


def said(chance: Random) -> dict[str, str]:
    """What an edge says, mostly nothing."""
    return chance.choice([{}, {}, {}, {"when": chance.choice(CONDITIONS)}, {"on": "error"}])


def history(chance: Random, family: list[Grant], plan: Plan, document: dict[str, Any]) -> tuple[list[PastPatch], Plan]:
    """Some patches that were taken, by holders and by others, and the plan they led to."""
    past = []
    for _ in range(chance.randint(0, 3)):
        by = chance.choice([*(grant.by for grant in family), "ann"])
        new = chance.choice(extensions(chance, plan, family[0].node) or [plan])
        past.append(PastPatch(by, chance.randint(1, 3), Effect.between(plan, new)))
        plan = new
    return past, plan


def extensions(chance: Random, plan: Plan, issuer: NodeId) -> list[Plan]:
    """Plans with a node or two more behind the issuing one, which are more often allowed than those made at random."""
    found = []
    for _ in range(4):
        document = {"edges": [], **decompile(plan)}
        behind = [issuer, *Graph(plan).behind(issuer)]
        for _ in range(chance.randint(1, 2)):
            name = f"x{len(document['nodes'])}_{chance.randint(0, 9)}"
            document["nodes"].append({"id": name, "type": chance.choice(TYPES[:4])})
            document["edges"].append({"from": chance.choice(behind), "to": name, **said(chance)})
            if chance.random() < 0.7:
                document["edges"].append({"from": name, "to": chance.choice(behind), **said(chance)})
            behind.append(NodeId(name))
        with suppress(InvalidDefinition):
            found.append(compiled(document))
    return found
