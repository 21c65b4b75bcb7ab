"""Edits that a handler makes of its own run, with a token that its task asked the API for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import httpx
import msgspec
from pydantic import SecretStr

from pointsman.base.errors import EditRefused, Problem, ServerUnavailable
from pointsman.base.ids import JobId, Millis, RunId
from pointsman.rights.biscuit import key_in, narrow, read
from pointsman.rights.grant import Limits
from pointsman.settings import Settings

_PATIENCE_S: Final = 30.0


class _Located(msgspec.Struct):
    """One thing wrong, as the API tells it."""

    code: str
    pointer: str
    message: str
    suggestion: str | None = None


class _Told(msgspec.Struct):
    """A problem (RFC 9457), as the API answers it."""

    code: str
    detail: str
    errors: tuple[_Located, ...] = ()


class Editing:
    """The API as handlers reach it. `key` is only sent to ask for tokens, never with an edit."""

    def __init__(
        self, url: str, key: SecretStr | None = None, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._transport = transport

    @classmethod
    def of(cls, settings: Settings) -> Editing:
        """The API that the settings name, else the one on this machine."""
        return cls(settings.api.url or f"http://127.0.0.1:{settings.port}", settings.api.key)

    async def token(self, job_id: JobId, limits: Limits) -> EditToken:
        """Ask for an edit token. Raises as `EditToken.patch` does."""
        wanted = {
            "types": limits.types and sorted(limits.types),
            "nodes": limits.nodes,
            "operations": limits.operations,
        }
        body = {"job_id": job_id} | {name: value for name, value in wanted.items() if value is not None}
        answer = await self.post("edit-tokens", body, self._key.get_secret_value() if self._key else "")
        return EditToken(answer["token"], self)

    async def post(self, path: str, body: Any, credential: str, **query: str) -> Any:
        """The JSON that the API answers. Raises as `EditToken.patch` does."""
        headers = {"Authorization": f"Bearer {credential}"} if credential else {}
        try:
            # trust_env=False: a proxy meant for the internet would be asked for 127.0.0.1.
            async with httpx.AsyncClient(
                base_url=f"{self.url}/api/v1/", timeout=_PATIENCE_S, trust_env=False, transport=self._transport
            ) as client:
                answered = await client.post(path, json=body, headers=headers, params=query)
        except httpx.TransportError as error:
            told = f"the API at {self.url} cannot be reached: {error or type(error).__name__}."
            raise ServerUnavailable("SRV071", f"{told} Start it, or correct POINTSMAN_API_URL.") from error
        if not answered.is_success:
            raise _problem(answered)
        return answered.json()


class EditToken:
    """The right to extend one run behind the node of one task, as long as that task is out.

    Whoever has its `text` has that right: hand it to nobody but in narrowed form, and do not return or log it.
    """

    def __init__(self, text: str, api: Editing | str) -> None:
        self.text = text
        """What goes into `Authorization: Bearer …`."""
        self._grant = read(text, key_in(text))
        self._api = Editing(api) if isinstance(api, str) else api

    def __repr__(self) -> str:
        return f"EditToken({self._grant.run_id!r}, {self._grant.token!r})"

    @property
    def run_id(self) -> RunId:
        """The run that it is for."""
        return self._grant.run_id

    @property
    def types(self) -> frozenset[str]:
        """The node types that it may add."""
        return self._grant.types

    @property
    def expires_at(self) -> Millis | None:
        """When it ends at the latest, in Unix milliseconds."""
        return self._grant.until

    def narrow(
        self,
        *,
        types: Collection[str] | None = None,
        nodes: int | None = None,
        operations: int | None = None,
        until: Millis | None = None,
    ) -> EditToken:
        """A token for somebody else that allows less, made without asking anybody.

        Args:
            types: The node types that remain, where this one allows them too.
            nodes: How many nodes the new token may add, which count for this one as well.
            operations: How many operations it may send, likewise.
            until: When it expires, in Unix milliseconds, rounded down to seconds.

        Raises:
            EditRefused: API047, it has been handed on too often.
        """
        limits = Limits(frozenset(types) if types is not None else None, nodes, operations, until)
        return EditToken(narrow(self.text, limits), self._api)

    async def patch(
        self, edit: Sequence[Mapping[str, Any]] | Mapping[str, Any], *, description: str = "", dry_run: bool = False
    ) -> dict[str, Any]:
        """Edit the run; what the API answers, once the edit is durable.

        Args:
            edit: RFC 6902 operations, or a pattern: `{"pattern": "insert_parallel", …}`.
            description: What it is for, kept in the run's history; patterns bring their own.
            dry_run: Only say what it would do.

        Raises:
            EditRefused: The API refused it; `code` and `problems` say why.
            ServerUnavailable: SRV071 and others, the API cannot be asked; trying again may help.
        """
        query = {"dry_run": "true"} if dry_run else {}
        path = f"runs/{self.run_id}"
        if isinstance(edit, Mapping):
            answer = await self._api.post(f"{path}/edits", dict(edit), self.text, **query)
        else:
            body = {"operations": list(edit), "description": description}
            answer = await self._api.post(f"{path}/patch", body, self.text, **query)
        return dict(answer)


def _problem(answered: httpx.Response) -> EditRefused | ServerUnavailable:
    """What the API says is wrong; an answer that is no problem document came from something else."""
    try:
        told = msgspec.json.decode(answered.content, type=_Told)
    except msgspec.DecodeError:
        text = f"{answered.url} answered {answered.status_code}, and not as our API does."
        return ServerUnavailable("SRV072", f"{text} Correct POINTSMAN_API_URL.")
    problems = tuple(
        Problem(found.code, found.pointer, found.message, suggestion=found.suggestion) for found in told.errors
    )
    kind = ServerUnavailable if answered.status_code >= 500 else EditRefused
    return kind(told.code, told.detail, problems=problems)
