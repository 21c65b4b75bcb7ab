"""The form of an error code's page."""

from __future__ import annotations

from typing import NamedTuple


class Page(NamedTuple):
    """One error code's page. `http` is the status the API answers with, None where HTTP never sees it."""

    title: str
    meaning: str
    result: str
    remedy: str
    http: int | None = None
