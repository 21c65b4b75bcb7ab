"""What the demo does to its run while it runs: a preview, the edit, one that is refused, and one that is taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from rich.text import Text

from pointsman.base.errors import PointsmanError
from pointsman.cli.client import Api, run_path
from pointsman.cli.difference import change_lines, read_difference
from pointsman.cli.exits import Answered
from pointsman.cli.live import Watching
from pointsman.cli.preview import told_effect
from pointsman.cli.progress import added_nodes

CHANGED_AFTER: Final = "assess"
"""The node whose end is the moment for the edit: half of the run is done by then, and half is not."""
RUNNING: Final = "draft"
"""The node whose beginning is the moment for the edit that is refused, for it comes too late for that node."""
TOO_LATE: Final = {
    "pattern": "insert_between",
    "from": "escalate",
    "to": RUNNING,
    "node": {"id": "review", "type": "function", "config": {"handler": "put_in_queue", "topic": "legal"}},
}
TAKEN_BACK: Final = {
    "pattern": "insert_between",
    "from": "send_reply",
    "to": "close",
    "node": {"id": "survey", "type": "function", "config": {"handler": "put_in_queue", "topic": "survey"}},
}
_STYLE: Final = "bold magenta"
_HASH: Final = 12
"""Characters of a hash that are shown."""


class DemoEdits:
    """Edits the run over HTTP as its moments come, tells what came of it, and keeps what is not as it should be."""

    def __init__(self, api: Api, operations: list[dict[str, Any]], tell: Callable[[Text, Watching], None]) -> None:
        self.added = str(next(added_nodes(operations))["id"])
        self._api = api
        self._operations = operations
        self._tell = tell
        self.told: list[Text] = []
        self._wrong: list[str] = []
        self._moments = {(CHANGED_AFTER, "completed"): self._edit, (RUNNING, "dispatched"): self._refuse_and_revert}

    def __call__(self, event: Mapping[str, Any], watching: Watching) -> None:
        """Look at an event of the run, and do what it is the moment for."""
        for node in event.get("nodes", ()):
            act = self._moments.pop((node["node"], node["status"]), None)
            if act is None:
                continue
            try:
                for line in act(run_path(watching.progress.run_id)):
                    self.told.append(line)
                    self._tell(line, watching)
            except PointsmanError as error:
                self._wrong.append(f"an edit was not taken: {error.code} {error.message}")

    def wrong(self, run: Mapping[str, Any]) -> list[str]:
        """What is not as it should be, the run having ended so."""
        node = run["nodes"].get(self.added, {"status": "not in its graph"})
        found = [*self._wrong, *(f"`{node}` was never {status}" for node, status in self._moments)]
        if run["status"] != "COMPLETED":
            found.append(f"the run is {run['status']}")
        if node["status"] != "completed":
            found.append(f"{self.added}, added while it ran, is {node['status']}")
        if not found and run["revision"] != 4:
            found.append(f"the run is at revision {run['revision']}, and three edits make it 4")
        return [*found, *(f"{name} is in its graph" for name in _ids(TOO_LATE, TAKEN_BACK) if name in run["nodes"])]

    def _edit(self, run: str) -> Iterator[Text]:
        """Preview the edit, then commit what was previewed and nothing else."""
        preview = self._api.patch(run, self._operations, {"dry_run": "true"})
        yield Text(f"? PATCH /api/v1/{run}?dry_run=true would change:", _STYLE)
        found = [*change_lines(read_difference(preview["difference"])), *told_effect(preview["effect"])]
        yield from (Text("    ").append_text(line) for line in found)
        self._expect(self._api.get(run)["revision"] == preview["base_revision"], "the preview changed the run")
        done = self._api.patch(run, self._operations, {"plan_hash": preview["plan_hash"]})
        told = f"plan_hash={preview['plan_hash'][:_HASH]}…: node {self.added} added, revision {done['revision']}"
        yield Text(f"✎ PATCH /api/v1/{run}?{told}", _STYLE)
        self._expect(done["revision"] == preview["revision"], "the edit made another revision than the one previewed")

    def _refuse_and_revert(self, run: str) -> Iterator[Text]:
        yield Text(f"✎ POST /api/v1/{run}/edits: insert review before {RUNNING}, which is running", _STYLE)
        before = self._api.get(run)["revision"]
        yield Text(f"    {self._refusal(run)}", "red")
        self._expect(self._api.get(run)["revision"] == before, "the edit that was refused changed the run")
        yield from self._revert(run)

    def _refusal(self, run: str) -> str:
        """The story that the API tells of an edit that comes too late."""
        try:
            self._api.post(f"{run}/edits", TOO_LATE)
        except Answered as refused:
            self._expect(refused.status == 409, f"an edit into a running node was answered with {refused.status}")
            return f"{refused.code} {refused.message}"
        self._expect(False, "an edit into a running node was taken")
        return "it was taken"

    def _revert(self, run: str) -> Iterator[Text]:
        """Make an edit that nothing executes yet, and take it back."""
        made = self._api.post(f"{run}/edits", TAKEN_BACK)["revision"]
        yield Text(f"✎ POST /api/v1/{run}/edits: insert survey before close, revision {made}", _STYLE)
        back = self._api.post(f"{run}/patches/{made}/revert")["revision"]
        yield Text(f"✎ POST /api/v1/{run}/patches/{made}/revert: taken back, revision {back}", _STYLE)
        found = self._api.get(f"{run}/diff", **{"from": made - 1, "to": back})["difference"]
        self._expect(read_difference(found).is_empty, "the edit that was taken back has left something behind")

    def _expect(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            self._wrong.append(otherwise)


def _ids(*requests: Mapping[str, Any]) -> list[str]:
    return [request["node"]["id"] for request in requests]
