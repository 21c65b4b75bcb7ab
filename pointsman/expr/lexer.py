"""Expression text to tokens.

The tokens are those of the CEL specification. We cut the text up ourselves, so that both engines read the same
language, errors say where they are, and `${ … }` in a template ends where the expression ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pointsman.expr.findings import Finding

Kind: TypeAlias = Literal["int", "double", "string", "name", "symbol", "end"]

_PATTERN = re.compile(
    r"""
    (?P<space>[ \t\n\f\r]+|//[^\n]*)
  | (?P<double>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)
  | (?P<int>(?:0[xX][0-9a-fA-F]+|\d+)[uU]?)
  | (?P<string>(?:[bB][rR]?|[rR][bB]?)?(?:\"\"\"|'''|"|'))
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<symbol>&&|\|\||[<>=!]=|[-+*/%<>!?:.,()\[\]{}])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\?\"'`])|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))"
)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Unreadable(Exception):
    """The text is not an expression; carries the one finding."""

    def __init__(self, position: int, message: str, code: str = "CEL001") -> None:
        super().__init__(message)
        self.finding = Finding(code, position, message)


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `text` of a string is its value, escapes resolved."""

    kind: Kind
    text: str
    position: int


def tokens(source: str, start: int = 0) -> Iterator[Token]:
    """The tokens of `source` from `start`, ended by one of kind `end`.

    Raises:
        Unreadable: Where no token begins, or a string does not end. Raised when the iteration gets there.
    """
    position = start
    while position < len(source):
        match = _PATTERN.match(source, position)
        if match is None:
            raise Unreadable(position, f"{source[position]!r} means nothing here.")
        if match.lastgroup == "string":
            token, position = _string(source, match)
            yield token
            continue
        if match.lastgroup != "space":
            yield Token(match.lastgroup, match.group(), position)  # type: ignore[arg-type]
        position = match.end()
    yield Token("end", "", len(source))


def _string(source: str, opening: re.Match[str]) -> tuple[Token, int]:
    prefix, quote = _split_opening(opening.group())
    if "b" in prefix:
        raise Unreadable(opening.start(), "bytes have no JSON form and cannot be written here.", "CEL006")
    end = _closing(source, opening.end(), quote, raw="r" in prefix)
    if end is None:
        raise Unreadable(opening.start(), f"this string does not end; {quote} is missing.")
    body = source[opening.end() : end]
    text = body if "r" in prefix else _unescaped(body, opening.end())
    return Token("string", text, opening.start()), end + len(quote)


def _split_opening(opening: str) -> tuple[str, str]:
    prefix = opening.rstrip("\"'")
    return prefix.lower(), opening[len(prefix) :]


def _closing(source: str, position: int, quote: str, *, raw: bool) -> int | None:
    while position < len(source):
        if source.startswith(quote, position):
            return position
        if source[position] in "\r\n" and len(quote) == 1:
            return None
        position += 2 if source[position] == "\\" and not raw else 1
    return None


def _unescaped(body: str, start: int) -> str:
    if "\\" not in body:
        return body
    parts: list[str] = []
    position = 0
    while (slash := body.find("\\", position)) >= 0:
        match = _ESCAPE.match(body, slash)
        if match is None:
            raise Unreadable(
                start + slash, f"`{body[slash : slash + 2]}` is no escape sequence; write `\\\\` for `\\`."
            )
        parts += body[position:slash], _character(match, start + slash)
        position = match.end()
    return "".join(parts) + body[position:]


def _character(match: re.Match[str], position: int) -> str:
    letter, *hexadecimal, octal = match.groups()
    if letter is not None:
        return _LETTERS.get(letter, letter)
    code = int(octal, 8) if octal else int(next(digits for digits in hexadecimal if digits), 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise Unreadable(position, f"`{match.group()}` is no Unicode character.")
    return chr(code)
