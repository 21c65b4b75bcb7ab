"""Who may call: the doors that every request goes through before anything looks at it."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator_api.edit_tokens import EditTokens
from orchestrator_api.keys import Keys
from orchestrator_api.problems import problem
from pointsman.rights.grant import is_edit_token

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""Asked by whatever watches the process, which has no key."""
READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LOCAL: Final = "local"
"""The caller's name where no keys are set."""


class Access:
    """Refuses requests of callers without a key; where there are no keys, those that a web page may have forged.

    Without keys the API listens on loopback alone, and yet any page in a browser on this machine can reach it: under a
    name of its own that points here (`Host` gives that away), or blindly, with a form (`Origin` does).

    Who comes with an edit token has the rights that it gives, with keys and without, and no others.
    """

    def __init__(self, app: ASGIApp, *, keys: Keys | None, host: str, edit_tokens: EditTokens) -> None:
        self._app = app
        self._keys = keys
        self._host = host.lower()
        self._edit_tokens = edit_tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer why not."""
        if scope["type"] == "http":
            refusal = await self._entered(scope, Headers(scope=scope))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _entered(self, scope: Scope, headers: Headers) -> Response | None:
        """Say who is calling, or why they may not."""
        if self._keys is None:
            if (forged := self._forged(scope, headers)) is not None:
                return forged
        elif scope["path"] in OPEN_PATHS:
            return None
        key = _bearer(headers)
        if is_edit_token(key):
            return await self._edit_tokens.let_in(scope, key)
        name = await self._caller(key)
        if name is None:
            return _no_key(key)
        # Somebody who may do everything.
        scope.setdefault("state", {}).update(caller=name, rights=None)
        return None

    async def _caller(self, key: str) -> str | None:
        if self._keys is None:
            return LOCAL
        return await self._keys.caller(key) if key else None

    def _forged(self, scope: Scope, headers: Headers) -> Response | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_ours(host):
            told = f"the request is addressed to `{host[:200]}`, which is no name of this machine's loopback address"
            return problem("API008", f"{told}; nothing was done. Set an API key to be reached under other names.")
        if origin is not None and scope["method"] not in READS and urlsplit(origin).netloc != host:
            told = f"the request comes from a page of `{origin[:200]}`"
            return problem("API009", f"{told}; nothing was done. Set an API key to call from other origins.")
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in ("localhost", self._host.strip("[]")) or _is_loopback(name)


def _bearer(headers: Headers) -> str:
    """The bearer credential of a request; empty where there is none."""
    scheme, _, credential = headers.get("authorization", "").partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else ""


def _no_key(key: str) -> Response:
    told = "is not one that is known" if key else "is missing"
    return problem(
        "API007",
        f"the API key {told}; nothing was done. Send `Authorization: Bearer <key>`.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
