"""The database refuses impossible rows: one illegal row for each constraint, and no constraint without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.support.journalled import DIGEST

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

OTHER = "0" * 64
LEGAL = f"""
    INSERT INTO definitions VALUES ('{DIGEST}', '{{}}');
    INSERT INTO plans VALUES ('{DIGEST}', '{{}}');
    INSERT INTO workflows VALUES ('triage', 1);
    INSERT INTO workflow_versions (workflow, version, definition, plan, created_by)
        VALUES ('triage', 1, '{DIGEST}', '{DIGEST}', 'ann');
    INSERT INTO workflow_tag_moves (workflow, tag, number, version, in_force, by, reason)
        VALUES ('triage', 'prod', 1, 1, 1, 'ann', '');
    INSERT INTO runs (run_id, workflow, version, definition, plan, engine, created_at)
        VALUES ('run_1', 'triage', 1, '{DIGEST}', '{DIGEST}', 'cel-cpp', 1);
    INSERT INTO events VALUES ('run_1', 1, 1, 'tip', 1, 'start', '{{}}');
    INSERT INTO patches (run_id, revision, seq, at, by, description, operations, base_definition, definition, plan)
        VALUES ('run_1', 2, 1, 1, '', '', '[]', '{DIGEST}', '{DIGEST}', '{DIGEST}');
    INSERT INTO journal_alarms (kind, run_id, epoch, seq, tip, body, detail)
        VALUES ('unreadable', 'run_1', 1, 1, 'tip', '', '');
    INSERT INTO openings (epoch, server, began_at, reason) VALUES (1, 'process', 1, 'state_lost');
    INSERT INTO layout (partitions) VALUES (1);
    INSERT INTO patch_audit (run_id, by, description, operations, code, problems)
        VALUES ('run_1', '', '', '[]', 'EDT001', '[]');
    INSERT INTO idempotency_keys VALUES ('runs', 'key', '{OTHER}');
    INSERT INTO blob_references VALUES ('{OTHER}', 'run_1');
    INSERT INTO fleet_edits (
        id, workflow, version, operations, description, by, on_running, rate_per_s, stop_on_error_share, runs, reach
    ) VALUES ('edit_1', 'triage', 1, '[]', '', 'ann', 'refuse', 10, 0.1, 1, 1);
    INSERT INTO fleet_edit_items (edit, position, run_id, tries) VALUES ('edit_1', 1, 'run_1', 1);
    INSERT INTO dead_letters (id, kind, at, run_id, epoch, seq, token, code, message)
        VALUES ('dl_1', 'failed', 1, 'run_1', 1, 1, ':a', 'busy', '');
    INSERT INTO stuck_runs VALUES ('run_1', 'no token is open');
"""


def run(**columns: str) -> str:
    """The statement that adds a second run, with these columns in place of legal ones."""
    legal = {
        "run_id": "'run_2'",
        "workflow": "'triage'",
        "definition": f"'{DIGEST}'",
        "plan": f"'{DIGEST}'",
        "engine": "'cel-cpp'",
        "created_at": "1",
    }
    row = legal | columns
    return f"INSERT INTO runs ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def version(workflow: str = "triage", number: int = 2, definition: str = DIGEST, plan: str = DIGEST) -> str:
    return (
        "INSERT INTO workflow_versions (workflow, version, definition, plan, created_by) "
        f"VALUES ('{workflow}', {number}, '{definition}', '{plan}', 'ann')"
    )


def patch(**columns: str) -> str:
    return _changed("patches", columns)


def fleet_edit(**columns: str) -> str:
    return _changed("fleet_edits", columns)


def fleet_item(**columns: str) -> str:
    return _changed("fleet_edit_items", columns)


def dead_letter(**columns: str) -> str:
    return _changed("dead_letters", columns)


def _changed(table: str, columns: Mapping[str, str]) -> str:
    return f"UPDATE {table} SET {', '.join(f'{name} = {value}' for name, value in columns.items())}"


ILLEGAL = {
    "dead_letters_pkey": "INSERT INTO dead_letters SELECT * FROM dead_letters",
    "dead_letters_have_a_known_kind": dead_letter(kind="'odd'"),
    "dead_letters_have_a_known_status": dead_letter(status="'odd'", decided_at="1"),
    "dead_letters_are_of_a_token_or_a_signal": dead_letter(token="NULL"),
    "dead_letters_are_decided_at_some_time": dead_letter(decided_at="1"),
    "dead_letters_become_a_run_when_redriven": dead_letter(became="'run_2'"),
    "stuck_runs_pkey": "INSERT INTO stuck_runs SELECT * FROM stuck_runs",
    "stuck_runs_run_id_fkey": "UPDATE stuck_runs SET run_id = 'run_2'",
    "stuck_runs_say_why": "UPDATE stuck_runs SET reason = ''",
    "definitions_pkey": f"INSERT INTO definitions VALUES ('{DIGEST}', '{{}}')",
    "definitions_are_named_by_their_content": f"INSERT INTO definitions VALUES ('{OTHER}', '{{}}')",
    "plans_pkey": f"INSERT INTO plans VALUES ('{DIGEST}', '{{}}')",
    "plans_are_named_by_their_content": f"INSERT INTO plans VALUES ('{OTHER}', '{{}}')",
    "workflows_pkey": "INSERT INTO workflows VALUES ('triage', 1)",
    "workflows_have_a_name": "INSERT INTO workflows VALUES ('', 1)",
    "workflows_count_versions_from_one": "INSERT INTO workflows VALUES ('other', 0)",
    "workflow_versions_pkey": version(number=1),
    "workflow_versions_workflow_fkey": version("nameless"),
    "workflow_versions_definition_fkey": version(definition=OTHER),
    "workflow_versions_plan_fkey": version(plan=OTHER),
    "workflow_versions_count_from_one": version(number=0),
    "workflow_versions_come_from_a_revision": "UPDATE workflow_versions SET from_run = 'run_1'",
    "workflow_tag_moves_pkey": "INSERT INTO workflow_tag_moves SELECT * FROM workflow_tag_moves",
    "workflow_tag_moves_workflow_version_fkey": _changed("workflow_tag_moves", {"version": "7"}),
    "workflow_tag_moves_are_spellable": _changed("workflow_tag_moves", {"tag": "'1'"}),
    "workflow_tag_moves_count_from_one": _changed("workflow_tag_moves", {"number": "0"}),
    "workflow_tag_moves_follow_what_is_in_force": _changed("workflow_tag_moves", {"in_force": "2"}),
    "runs_started_by_a_tag_have_a_version": run(tag="'prod'"),
    "runs_that_were_forked_say_how": run(forked_from="'run_0'"),
    "runs_pkey": run(run_id="'run_1'"),
    "run_ids_are_spellable": run(run_id="'run:2'"),
    "runs_definition_fkey": run(definition=f"'{OTHER}'"),
    "runs_plan_fkey": run(plan=f"'{OTHER}'"),
    "runs_workflow_version_fkey": run(version="7"),
    "runs_have_a_known_status": run(status="'BUSY'", started_at="1"),
    "runs_count_revisions_from_one": run(revision="0"),
    "runs_have_a_position": run(epoch="-1"),
    "runs_have_one_input": run(input="'1'", input_ref="'blob://1'"),
    "runs_have_one_output": run(
        status="'COMPLETED'", started_at="1", ended_at="2", output="'1'", output_ref="'blob://1'"
    ),
    "runs_that_wait_have_not_started": run(started_at="1"),
    "runs_that_moved_have_started": run(status="'RUNNING'"),
    "runs_end_when_they_are_final": run(status="'FAILED'", started_at="1"),
    "runs_give_output_at_their_end": run(status="'RUNNING'", started_at="1", output="'1'"),
    "runs_have_a_crc_of_16_bits": run(crc="65536"),
    "events_pkey": "INSERT INTO events VALUES ('run_1', 1, 1, 'other', 1, 'start', '')",
    "events_count_from_one": "INSERT INTO events VALUES ('run_1', 1, 0, 'tip', 1, 'start', '')",
    "events_have_a_tip": "INSERT INTO events VALUES ('run_1', 1, 2, '', 1, 'start', '')",
    "journal_alarms_pkey": (
        "INSERT INTO journal_alarms (id, kind, run_id, epoch, seq, tip, body, detail) OVERRIDING SYSTEM VALUE "
        "SELECT id, kind, run_id, epoch, seq, tip, 'other', detail FROM journal_alarms"
    ),
    "journal_alarms_are_raised_once": (
        "INSERT INTO journal_alarms (kind, run_id, epoch, seq, tip, body, detail) "
        "SELECT kind, run_id, epoch, seq, tip, body, detail FROM journal_alarms"
    ),
    "journal_alarms_have_a_known_kind": "UPDATE journal_alarms SET kind = 'odd'",
    "openings_pkey": "INSERT INTO openings SELECT * FROM openings",
    "openings_have_an_epoch": "UPDATE openings SET epoch = 0",
    "openings_begin_before_they_are_done": "UPDATE openings SET opened_at = 0",
    "openings_count_from_zero": "UPDATE openings SET dropped = -1",
    "openings_are_of_a_partition": "UPDATE openings SET partition = -1",
    "layout_pkey": "INSERT INTO layout (partitions) VALUES (2)",
    "layout_is_one_row": "UPDATE layout SET is_the_only_one = false",
    "layout_has_a_partition": "UPDATE layout SET partitions = 0",
    "patches_pkey": (
        "INSERT INTO patches (run_id, revision, seq, at, by, description, operations, base_definition, definition, "
        "plan) SELECT run_id, revision, seq, at, by, description, operations, base_definition, definition, plan "
        "FROM patches"
    ),
    "patches_run_id_fkey": patch(run_id="'run_2'"),
    "patches_base_definition_fkey": patch(base_definition=f"'{OTHER}'"),
    "patches_definition_fkey": patch(definition=f"'{OTHER}'"),
    "patches_plan_fkey": patch(plan=f"'{OTHER}'"),
    "patches_base_plan_fkey": f"UPDATE patches SET base_plan = '{OTHER}'",
    "patches_follow_the_first_revision": patch(revision="1"),
    "patches_are_events": patch(seq="0"),
    "patches_list_their_operations": patch(operations="'{}'"),
    "patches_list_their_inverse": patch(inverse="'{}'"),
    "patch_audit_pkey": "INSERT INTO patch_audit OVERRIDING SYSTEM VALUE SELECT * FROM patch_audit",
    "patch_audit_names_a_code": "UPDATE patch_audit SET code = ''",
    "patch_audit_lists_the_problems": "UPDATE patch_audit SET problems = '{}'",
    "idempotency_keys_pkey": f"INSERT INTO idempotency_keys VALUES ('runs', 'key', '{OTHER}')",
    "idempotency_keys_have_a_key": f"INSERT INTO idempotency_keys VALUES ('runs', '', '{OTHER}')",
    "idempotency_keys_name_the_request": "INSERT INTO idempotency_keys VALUES ('runs', 'other', 'short')",
    "blob_references_pkey": "INSERT INTO blob_references SELECT * FROM blob_references",
    "blob_references_name_a_blob": _changed("blob_references", {"digest": "'short'"}),
    "fleet_edits_pkey": "INSERT INTO fleet_edits SELECT * FROM fleet_edits",
    "fleet_edits_workflow_version_fkey": fleet_edit(version="7"),
    "fleet_edits_have_a_known_status": fleet_edit(status="'odd'"),
    "fleet_edits_have_a_known_way_with_running": fleet_edit(on_running="'odd'"),
    "fleet_edits_list_their_operations": fleet_edit(operations="'{}'"),
    "fleet_edits_get_on": fleet_edit(rate_per_s="0"),
    "fleet_edits_stop_at_a_share": fleet_edit(stop_on_error_share="1.1"),
    "fleet_edits_reach_some_of_their_runs": fleet_edit(reach="2"),
    "fleet_edits_count_errors_among_the_decided": fleet_edit(errors="1"),
    "fleet_edit_items_pkey": "INSERT INTO fleet_edit_items (edit, position, run_id) VALUES ('edit_1', 1, 'other')",
    "fleet_edit_items_name_a_run_once": (
        "INSERT INTO fleet_edit_items (edit, position, run_id) VALUES ('edit_1', 2, 'run_1')"
    ),
    "fleet_edit_items_edit_fkey": fleet_item(edit="'other'"),
    "fleet_edit_items_count_from_one": fleet_item(position="0"),
    "fleet_edit_items_have_a_known_state": fleet_item(state="'odd'", decided_at="1"),
    "fleet_edit_items_are_tried_first": fleet_item(state="'applying'", tries="0"),
    "fleet_edit_items_are_decided_at_some_time": fleet_item(decided_at="1"),
    "fleet_edit_items_know_the_revision": fleet_item(state="'applied'", decided_at="1"),
    "fleet_edit_items_say_why": fleet_item(state="'refused'", decided_at="1", code="'EDT021'"),
}


async def test_every_constraint_refuses_its_illegal_row(pool: Pool) -> None:
    await pool.execute(LEGAL)
    refused = {}
    for statement in ILLEGAL.values():
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as caught:
            await pool.execute(statement)
        refused[caught.value.constraint_name] = statement
    assert refused == ILLEGAL


async def test_no_constraint_is_without_an_illegal_row(pool: Pool) -> None:
    rows = await pool.fetch(
        "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'p', "
        "'u') AND conrelid IS DISTINCT FROM 'schema_migrations'::regclass"
    )
    assert sorted(row["conname"] for row in rows) == sorted(ILLEGAL)
