"""The API as the command line sees it: where it is, what it answers, and what becomes of a lost connection."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from pointsman.base.errors import Problem, ServerUnavailable
from pointsman.cli.client import Api
from pointsman.cli.events import Message, follow, messages
from pointsman.cli.exits import Answered, ExitCode, exit_code
from pointsman.cli.facts import DevFacts, write_facts
from tests.cli.answering import Answer, Request, answering
from tests.cli.conftest import call

PROBLEM = {
    "type": "/api/v1/errors/EDT004",
    "title": "A node that exists already",
    "status": 422,
    "detail": "the patch cannot be taken",
    "code": "EDT004",
    "errors": [{"code": "EDT004", "pointer": "/operations/0", "message": "there is a node `a` already."}],
}
EVENT_STREAM = "text/event-stream"


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_problem_keeps_its_code_detail_and_places() -> None:
    answer = Answer(422, json.dumps(PROBLEM), "application/problem+json")
    with answering(lambda _: answer) as url, Api(url, None, "") as api, pytest.raises(Answered) as refused:
        api.get("runs")
    assert (refused.value.code, refused.value.message, refused.value.status) == (
        "EDT004",
        "the patch cannot be taken",
        422,
    )
    assert refused.value.problems == (Problem("EDT004", "/operations/0", "there is a node `a` already."),)


def test_a_problem_is_printed_with_every_place() -> None:
    answer = Answer(409, json.dumps(PROBLEM | {"status": 409}), "application/problem+json")
    with answering(lambda _: answer) as url:
        said = call("pause", "run_1", "--api-url", url)
    assert (said.code, said.out) == (5, "")
    assert said.err == (
        "error EDT004 the patch cannot be taken\n  EDT004 /operations/0: there is a node `a` already.\n"
    )


def test_an_answer_of_something_else_is_recognised() -> None:
    with answering(lambda _: Answer(502, "<html>Bad gateway</html>", "text/html")) as url:
        said = call("runs", "--api-url", url)
    assert said.code == 6
    assert said.err == (
        f"error SRV072 {url}/api/v1/runs?limit=20 answered 502 Bad Gateway, and not as our API does. Correct the "
        "address of the API.\n"
    )


def test_the_key_is_sent_as_a_bearer_token() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Answer:
        asked.append(request)
        return Answer(200, '{"runs": [], "next": null}')

    with answering(answer) as url:
        call("runs", POINTSMAN_API_URL=url, POINTSMAN_API_KEY="the-key")
    assert asked[0].headers["authorization"] == "Bearer the-key"


def test_an_api_that_is_not_there_is_named() -> None:
    url = closed_port()
    said = call("runs", "--json", "--api-url", url)
    assert said.code == 6
    assert said.json["error"]["code"] == "SRV071"
    assert said.json["error"]["detail"].startswith(f"the API at {url} cannot be reached: ")
    assert said.json["error"]["exit_code"] == 6


def test_without_an_address_the_api_of_dev_is_asked(tmp_path: Path) -> None:
    with answering(lambda _: Answer(200, '{"runs": [], "next": null}')) as url:
        write_facts(tmp_path, DevFacts(url, "redis://127.0.0.1:1/0", "postgresql://127.0.0.1:1/x", {"dev": 1}))
        said = call("runs", "--json", POINTSMAN_DATA_DIR=str(tmp_path))
    assert said.json == {"runs": [], "next": None}


def test_a_dev_that_has_ended_is_said_to_have_ended(tmp_path: Path) -> None:
    facts = DevFacts(closed_port(), "redis://127.0.0.1:1/0", "postgresql://127.0.0.1:1/x", {"dev": 2**22 + 1})
    write_facts(tmp_path, facts)
    said = call("runs", POINTSMAN_DATA_DIR=str(tmp_path))
    assert said.code == 6
    assert f"The `pointsman dev` of {tmp_path} has ended. Start it with `pointsman dev`" in said.err


def test_the_facts_are_for_their_owner_only(tmp_path: Path) -> None:
    write_facts(tmp_path, DevFacts("http://x", "redis://x", "postgresql://x", {"dev": 1}))
    assert (tmp_path / "dev.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, "RUN005", ExitCode.NOT_FOUND),
        (409, "RUN004", ExitCode.REFUSED),
        (422, "CMP004", ExitCode.INVALID),
        (422, "API006", ExitCode.USAGE),
        (422, "EDT049", ExitCode.REFUSED),
        (400, "EDT002", ExitCode.USAGE),
        (403, "API008", ExitCode.REFUSED),
        (503, "SRV001", ExitCode.UNAVAILABLE),
        (429, "API020", ExitCode.UNAVAILABLE),
    ],
)
def test_each_answer_has_its_exit_code(status: int, code: str, expected: ExitCode) -> None:
    assert exit_code(Answered(ServerUnavailable(code, "told"), status)) == expected


def test_an_event_stream_is_read_as_the_standard_says() -> None:
    text = ": still here\n\nid: 3\ndata: one\ndata: two\n\nevent: x\nretry: 1\ndata:three\n\nid: 9"
    assert list(messages(text.split("\n"))) == [Message("message", "one\ntwo", "3"), Message("x", "three", "3")]


def test_a_lost_stream_goes_on_behind_the_last_event() -> None:
    # Given a stream that ends after the first event, as when the API is restarted
    asked: list[str | None] = []

    def answer(request: Request) -> Answer:
        last = request.headers.get("last-event-id")
        asked.append(last)
        text = 'id: 1\ndata: {"seq": 1}\n\n' if last is None else 'id: 2\ndata: {"seq": 2, "status": "COMPLETED"}\n\n'
        return Answer(200, text, EVENT_STREAM)

    # When the run is followed
    with answering(answer) as url, Api(url, None, "") as api:
        events = list(follow(api, "run_1"))
    # Then each event comes once, and the stream was asked to go on behind the first
    assert events == [{"seq": 1}, {"seq": 2, "status": "COMPLETED"}]
    assert asked == [None, "1"]


def test_a_run_that_does_not_exist_is_not_waited_for() -> None:
    told = json.dumps({"title": "No such run", "status": 404, "detail": "there is no run x", "code": "RUN005"})
    with answering(lambda _: Answer(404, told)) as url:
        said = call("watch", "x", "--api-url", url)
    assert (said.code, said.err) == (4, "error RUN005 there is no run x\n")


def test_an_address_that_is_none_is_a_mistake_of_usage() -> None:
    said = call("runs", "--api-url", "http://[::1")
    assert (said.code, said.out) == (2, "")
    assert "http://[::1 is no address of an API" in said.err
