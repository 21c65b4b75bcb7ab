"""The code of the how-to does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from pointsman.compile import compile_source
from pointsman.settings import Settings
from pointsman.worker.secrets import Secrets
from pointsman.worker.target import load_workers
from tests.support.driven import cel
from tests.worker.at_work import at_work

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "howto" / "write-a-worker.md").read_text()


def blocks(language: str) -> list[str]:
    """The code of one language on the page."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


async def test_the_worker_of_the_page_does_its_tasks(redis_db: str, tmp_path: Path) -> None:
    (code,) = blocks("python")
    (tmp_path / "workers.py").write_text(code)
    workers = load_workers(str(tmp_path / "workers.py"), Settings())
    secrets = Secrets({"MAIL_PASSWORD": SecretStr("s3cret")})
    async with at_work(redis_db, workers, secrets=secrets) as work:
        await work.streams.give("send_email", run="mail", config={"to": "a@b.example"}, payload={"text": "Hello"})
        await work.streams.give("send_email", run="typo", config={"to": "a.example"})
        await work.streams.give("add_tax", run="tax", payload=100)
        await work.streams.give("resize", run="image", payload={"image": "cat"})
        signals = {signal["run_id"]: signal for signal in await work.streams.signals(4)}
    assert signals["mail"]["result_data"] == {"sent_to": "a@b.example", "length": 5}
    assert signals["typo"]["metadata"]["error_type"] == "bad_address"
    assert signals["tax"]["result_data"] == 120
    assert signals["image"]["result_ref"] == "s3://images/cat-small"


@pytest.mark.parametrize("node", blocks("yaml"))
def test_the_nodes_of_the_page_compile_as_written(node: str) -> None:
    indented = "".join(f"  {line}\n" for line in node.splitlines())
    before = "nodes:\n" + "".join(f"  - {{ id: {name}, type: x }}\n" for name in ("customer", "order"))
    name = re.search(r"id: (\w+)", node)
    assert name is not None
    edges = "".join(f"  - {{ from: {source}, to: {name[1]} }}\n" for source in ("customer", "order"))
    compile_source(before + indented + "edges:\n" + edges, cel())
