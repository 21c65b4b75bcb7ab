"""`archive` and `archived`: runs as files, written from a real Postgres and read without one."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Dev, Said, call, run_id_of
from tests.cli.test_runs import GREETING, WAITING, Call, json


def beside(dev: Dev, *words: str) -> Said:
    """A command where nothing but dev.json names servers."""
    return call(*words, POINTSMAN_DATA_DIR=str(dev.data_dir))


def test_a_run_is_archived_and_shown_from_the_archive_alone(cli: Call, dev: Dev, tmp_path: Path) -> None:
    # Given a run that ended
    run = run_id_of(cli("run", "-", "--wait", "--json", "--input", '{"name": "Ann"}', stdin=json.dumps(GREETING)))
    # When it is archived
    said = beside(dev, "archive", run, "--json")
    assert said.code == 0, said
    (told,) = said.json["archived"]
    assert (told["run_id"], told["name"].startswith(f"archive/run={run}/")) == (run, True)
    # Then it is shown from there, where no server is
    shown = call("archived", run, POINTSMAN_DATA_DIR=str(dev.data_dir), DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert shown.code == 0, shown
    lines = shown.out.splitlines()
    assert lines[0] == f"{run} COMPLETED  greeting, revision 1"
    assert [line.split()[3] for line in lines[2:-1]] == ["start", "completed", "failed", "timer", "completed"]
    assert lines[-1] == "0 large outputs"
    # And whole, as JSON
    kinds = [
        line["kind"] for line in call("archived", run, "--json", POINTSMAN_DATA_DIR=str(dev.data_dir)).json["lines"]
    ]
    assert kinds == ["run", "document", "document", "event", "event", "event", "event", "event"]


def test_a_run_is_written_to_a_file_of_ones_own(cli: Call, dev: Dev, tmp_path: Path) -> None:
    # Given a run that goes on
    run, file = run_id_of(cli("run", "-", "--json", stdin=json.dumps(WAITING))), tmp_path / "run.jsonl"
    # When it is written to a file
    assert beside(dev, "archive", run, "--to", str(file)).out == f"{run} is in {file}\n"
    # Then that is read, and one that is cut short is not
    assert call("archived", "--file", str(file)).out.startswith(f"{run} ")
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    said = call("archived", "--file", str(file), "--json")
    assert (said.code, said.json["error"]["code"]) == (5, "ARC002")
    cli("cancel", run)


def test_all_runs_of_a_certain_age_are_archived_at_once(cli: Call, dev: Dev) -> None:
    run = run_id_of(cli("run", "-", "--wait", "--json", "--input", '{"name": "Bo"}', stdin=json.dumps(GREETING)))
    said = beside(dev, "archive", "--older-than", "0", "--json")
    assert run in [told["run_id"] for told in said.json["archived"]]
    assert beside(dev, "archive", "--older-than", "1").out == "Nothing to do: no run ended so long ago.\n"


def test_what_cannot_be_archived_or_read_is_said(dev: Dev) -> None:
    nobody = beside(dev, "archive", "nobody", "--json"), beside(dev, "archived", "nobody", "--json")
    assert [said.json["error"]["code"] for said in nobody] == ["RUN005", "ARC003"]
    for words in (("archive",), ("archive", "a", "--older-than", "1"), ("archived",), ("archive", "--to", "x")):
        assert beside(dev, *words).code == 2, words
