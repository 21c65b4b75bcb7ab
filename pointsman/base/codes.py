"""Every error code, with its page: what it means, what happened as a result, what to do.

`docs/reference/errors.md` is rendered from this table; a test holds each code raised in the tree against it. Codes are
for ever: one that is no longer raised is removed, its number never given to another meaning.
"""

from __future__ import annotations

from typing import NamedTuple


class Page(NamedTuple):
    """One error code's page. `http` is the status the API answers with, None where HTTP never sees it."""

    title: str
    meaning: str
    result: str
    remedy: str
    http: int | None = None


CODES: dict[str, Page] = {
    # DEF: reading a definition ---------------------------------------------------------------------------------
    # CMP: compiling it -----------------------------------------------------------------------------------------
    # CEL: expressions ------------------------------------------------------------------------------------------
    # CFG: settings ---------------------------------------------------------------------------------------------
    # SRV: servers ----------------------------------------------------------------------------------------------
    # SIG: signals set aside ------------------------------------------------------------------------------------
    # RUN: runs -------------------------------------------------------------------------------------------------
    # EDT: edits ------------------------------------------------------------------------------------------------
    # API: HTTP -------------------------------------------------------------------------------------------------
    # WRK: workers ----------------------------------------------------------------------------------------------
}
