"""`secret://name`: resolved in the worker only, and taken out again of whatever it reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from pointsman.logging import HIDDEN
from pointsman.rights.grant import without_edit_tokens
from pointsman.worker.errors import NonRetryable

SCHEME: Final = "secret://"
_REFERENCE: Final = re.compile(r"secret://([A-Za-z0-9_.-]*[A-Za-z0-9_-])")


class Secrets:
    """The secrets of one worker process, by name. Names are compared as environment variables spell them.

    Values that were handed out are remembered, so that `redact` finds them in error messages.
    """

    def __init__(self, values: Mapping[str, SecretStr] | None = None) -> None:
        self._values = {_spelled(name): value.get_secret_value() for name, value in (values or {}).items()}
        self._shown: set[str] = set()

    def resolve(self, text: str) -> str:
        """A text with each `secret://name` in it replaced by its value.

        Raises:
            NonRetryable: `unknown_secret`, this worker has none of that name.
        """
        return _REFERENCE.sub(lambda match: self._value(match[1]), text) if SCHEME in text else text

    def redact(self, text: str) -> str:
        """A text without the values of secrets that were handed out, and without edit tokens."""
        for value in sorted(self._shown, key=len, reverse=True):
            text = text.replace(value, HIDDEN)
        return without_edit_tokens(text, HIDDEN)

    def _value(self, name: str) -> str:
        value = self._values.get(_spelled(name))
        if value is None:
            raise NonRetryable(
                f"this worker has no secret {name!r}. Set POINTSMAN_SECRET_{_spelled(name)} where it runs.",
                type="unknown_secret",
            )
        if value:
            self._shown.add(value)
        return value


def _spelled(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())
