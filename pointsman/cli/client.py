"""The API, as the command line calls it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Self, TypeAlias
from urllib.parse import quote

import httpx
import typer

from pointsman.base.errors import PointsmanError, Problem, ServerUnavailable
from pointsman.cli.exits import Answered
from pointsman.cli.facts import read_facts
from pointsman.settings import Settings, load

_PATIENCE_S: Final = 30.0

Query: TypeAlias = Mapping[str, str | int | None]
"""What stands behind the question mark; what is None is left out."""


class Api:
    """Calls of the API. Every failure is an error of ours: a problem that it answered, or that it did not answer."""

    def __init__(self, url: str, key: str | None, hint: str) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url = url.rstrip("/")
        self._hint = hint
        try:
            # trust_env=False: a proxy meant for the internet would be asked for 127.0.0.1.
            self._http = httpx.Client(
                base_url=f"{self.url}/api/v1/", headers=headers, timeout=_PATIENCE_S, trust_env=False
            )
        except httpx.InvalidURL as error:
            raise typer.BadParameter(f"{url} is no address of an API: {error}.", param_hint="--api-url") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int | None) -> Any:
        """The JSON that a path holds."""
        return self._answer("GET", path, params=_given(query))

    def post(
        self, path: str, body: Any = None, *, headers: dict[str, str] | None = None, query: Query | None = None
    ) -> Any:
        """The JSON answered to a command."""
        return self._answer("POST", path, json=body, headers=headers, params=_given(query or {}))

    def put(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        """The JSON answered to a PUT."""
        return self._answer("PUT", path, json=body, headers=headers)

    def delete(self, path: str, *, headers: dict[str, str] | None = None, query: Query | None = None) -> Any:
        """The JSON answered to a DELETE."""
        return self._answer("DELETE", path, headers=headers, params=_given(query or {}))

    def patch(self, path: str, operations: list[dict[str, Any]], query: Query | None = None) -> Any:
        """The JSON answered to an edit in RFC 6902."""
        content_type = {"Content-Type": "application/json-patch+json"}
        content = json.dumps(operations)
        return self._answer("PATCH", path, content=content, headers=content_type, params=_given(query or {}))

    @contextmanager
    def stream(self, path: str, headers: dict[str, str]) -> Iterator[Iterator[str]]:
        """The lines of an answer that goes on; it may be silent for as long as two pings take."""
        with self._reaching(), self._http.stream("GET", path, headers=headers) as response:
            if not response.is_success:
                response.read()
                raise _problem(response)
            yield response.iter_lines()

    def _answer(self, method: str, path: str, **arguments: Any) -> Any:
        with self._reaching():
            response = self._http.request(method, path, **arguments)
        if not response.is_success:
            raise _problem(response)
        return response.json() if response.content else None

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise ServerUnavailable(
                "SRV071",
                f"the API at {self.url} cannot be reached: {error or type(error).__name__}. {self._hint}",
            ) from error


def open_api(url: str | None) -> Api:
    """The API at `url`, else the one that settings name, else the one that `pointsman dev` started here."""
    settings = load("cli")
    key = settings.api.key.get_secret_value() if settings.api.key else None
    if named := url or settings.api.url:
        return Api(named, key, "Start it, or correct --api-url or POINTSMAN_API_URL.")
    return Api(*_started_here(settings, key))


def run_path(run: str, *rest: str) -> str:
    """The path of a run, or of something that belongs to it."""
    return "/".join(("runs", quote(run, safe=""), *rest))


def workflow_path(name: str, *rest: str) -> str:
    """The path of a workflow, or of something that belongs to it."""
    return "/".join(("workflows", quote(name, safe=""), *(quote(part, safe="") for part in rest)))


def _started_here(settings: Settings, key: str | None) -> tuple[str, str | None, str]:
    facts = read_facts(settings.data_dir)
    if facts is None:
        url = f"http://127.0.0.1:{settings.port}"
        return url, key, "Start it with `pointsman dev`, or name another with --api-url or POINTSMAN_API_URL."
    ended = "" if facts.is_current else f"The `pointsman dev` of {settings.data_dir} has ended. "
    return facts.api_url, key, f"{ended}Start it with `pointsman dev`, or name another API with --api-url."


def _given(query: Query) -> dict[str, str | int]:
    return {name: value for name, value in query.items() if value is not None}


def _problem(response: httpx.Response) -> Answered:
    """What the API says is wrong (RFC 9457); an answer that is no problem document came from something else."""
    try:
        told = response.json()
        code, detail = told["code"], told.get("detail") or told["title"]
        problems = tuple(_located(error) for error in told.get("errors") or ())
    except (ValueError, KeyError, TypeError, AttributeError):
        text = f"{response.url} answered {response.status_code} {response.reason_phrase}, and not as our API does."
        return Answered(PointsmanError("SRV072", f"{text} Correct the address of the API."), response.status_code)
    return Answered(PointsmanError(code, detail, problems=problems), response.status_code)


def _located(error: dict[str, Any]) -> Problem:
    return Problem(
        error["code"], error.get("pointer", ""), error["message"], error.get("line"), error.get("suggestion")
    )
