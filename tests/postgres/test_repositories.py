from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import msgspec
import pytest

from pointsman.adapters.postgres.documents import Documents
from pointsman.adapters.postgres.idempotency import Claim, IdempotencyKeys
from pointsman.adapters.postgres.patches import Patches, RefusedPatch
from pointsman.adapters.postgres.workflows import Workflows
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Digest, RunId
from pointsman.ports.run_index import Request

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

REQUEST = Request("PATCH /runs/run_1", "k1", "a" * 64)


async def test_a_document_is_named_by_its_content_and_kept_exactly(pool: Pool) -> None:
    documents, body = Documents(pool), b'{"b":1,"a":"\\u0000"}'
    digest = await documents.put_definition(body)
    assert digest == hashlib.sha256(body).hexdigest()
    assert await documents.put_definition(body) == digest
    assert await documents.definition(digest) == body
    assert await documents.plan(digest) is None
    assert await documents.put_plan(body) == digest
    assert await documents.plan(digest) == body


async def test_each_publication_makes_the_next_version(pool: Pool) -> None:
    # Given two definitions
    workflows, documents = Workflows(pool), Documents(pool)
    one, two = await documents.put_definition(b"1"), await documents.put_definition(b"2")
    plan = await documents.put_plan(b"{}")
    # When they are published in turn, one of them twice
    first, first_is_new = await workflows.publish("triage", one, plan, "ann")
    same, same_is_new = await workflows.publish("triage", one, plan, "bob")
    second, second_is_new = await workflows.publish("triage", two, plan, "bob")
    # Then publishing what is newest already makes no version
    assert (first_is_new, same_is_new, second_is_new) == (True, False, True)
    assert same == first
    assert [(v.version, v.definition, v.created_by) for v in (first, second)] == [(1, one, "ann"), (2, two, "bob")]
    assert await workflows.get("triage") == second
    assert await workflows.get("triage", 1) == first
    assert await workflows.get("triage", 3) is None
    assert await workflows.get("nobody") is None
    assert await workflows.versions("triage") == [second, first]
    assert await workflows.versions("triage", before=2) == [first]


async def test_workflows_are_listed_by_name_with_their_newest_version(pool: Pool) -> None:
    workflows, documents = Workflows(pool), Documents(pool)
    definition, plan = await documents.put_definition(b"1"), await documents.put_plan(b"{}")
    published = [(await workflows.publish(name, definition, plan, "ann"))[0] for name in ("b", "c", "a")]
    assert await workflows.newest() == [published[2], published[0], published[1]]
    assert await workflows.newest(after="a", limit=1) == [published[0]]


async def test_many_publishers_at_once_get_versions_without_a_gap(pool: Pool) -> None:
    workflows, documents = Workflows(pool), Documents(pool)
    plan = await documents.put_plan(b"{}")
    bodies = [await documents.put_definition(str(number).encode()) for number in range(8)]
    made = await asyncio.gather(*(workflows.publish("triage", body, plan, "ann") for body in bodies))
    assert sorted(version.version for version, _ in made) == list(range(1, 9))


async def test_a_request_is_carried_out_once_and_answered_each_time(pool: Pool) -> None:
    keys = IdempotencyKeys(pool)
    assert await keys.claim(REQUEST) == Claim("fresh")
    assert await keys.claim(REQUEST) == Claim("running")
    await keys.answer(REQUEST, b"\xff done")
    assert await keys.claim(REQUEST) == Claim("answered", b"\xff done")
    assert await keys.claim(REQUEST._replace(digest="b" * 64)) == Claim("key_reused")
    assert await keys.claim(REQUEST._replace(scope="PATCH /runs/run_2")) == Claim("fresh")


async def test_a_refused_request_may_be_sent_again(pool: Pool) -> None:
    keys = IdempotencyKeys(pool)
    await keys.claim(REQUEST)
    await keys.release(REQUEST)
    assert await keys.claim(REQUEST) == Claim("fresh")
    # But what was answered cannot be released
    await keys.answer(REQUEST, b"done")
    await keys.release(REQUEST)
    assert await keys.claim(REQUEST) == Claim("answered", b"done")


async def test_a_claim_that_was_never_answered_lapses(pool: Pool) -> None:
    # Given a claim whose process died over it more than a minute ago
    keys = IdempotencyKeys(pool)
    await keys.claim(REQUEST)
    await pool.execute("UPDATE idempotency_keys SET created_at = created_at - 61000")
    # When two ask for it at once
    answers = await asyncio.gather(keys.claim(REQUEST), keys.claim(REQUEST))
    # Then one of them gets it
    assert sorted(answer.outcome for answer in answers) == ["fresh", "running"]


async def test_a_refused_edit_leaves_an_audit_row(pool: Pool) -> None:
    patches, run = Patches(pool), RunId("run_1")
    refused = RefusedPatch(
        "ann\0", "why not", msgspec.Raw(b'[{"op":"x"}]'), "EDT001", msgspec.Raw(b'[{"a":"\\u0000"}]')
    )
    await patches.record_refusal(run, refused)
    (found,) = await patches.refused(run)
    assert found.refused_at > 1_600_000_000_000
    assert (found.by, found.description, found.code) == ("ann\N{REPLACEMENT CHARACTER}", "why not", "EDT001")
    assert (bytes(found.operations), bytes(found.problems)) == (b'[{"op":"x"}]', b'[{"a":"\\u0000"}]')
    assert await patches.taken(run) == []
    assert await patches.refused(RunId(Digest("run_2"))) == []


async def test_a_definition_and_its_plan_are_stored_in_one_go(pool: Pool) -> None:
    # Given a definition that nobody has stored, and its plan
    definition, plan = b'{"nodes":[]}', b'{"name":"x"}'
    # When both are stored at once, twice
    digests = [await Documents(pool).put(definition, plan) for _ in range(2)]
    # Then whoever looks finds both, each by its own content
    assert digests == [hashlib.sha256(definition).hexdigest()] * 2
    assert await Documents(pool).definition(digests[0]) == definition
    assert await Documents(pool).plan(Digest(hashlib.sha256(plan).hexdigest())) == plan


async def test_a_definition_is_read_again_without_asking_postgres(pool: Pool) -> None:
    # Given one process's documents, a definition that it has read, and one that it has stored
    documents, read = Documents(pool), await Documents(pool).put_definition(b"1")
    stored = await documents.put(b"2", b"{}")
    assert await documents.definition(read) == b"1"
    # When Postgres has gone
    await pool.close()
    # Then both are there, and others are not to be had
    assert [await documents.definition(digest) for digest in (read, stored)] == [b"1", b"2"]
    with pytest.raises(ServerUnavailable):
        await documents.definition(Digest("0" * 64))
