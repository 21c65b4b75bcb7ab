"""The key that edit tokens are signed with: in a file that only its owner reads, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from uuid import uuid4

from biscuit_auth import KeyPair, PrivateKey

from pointsman.base.errors import SettingsError

FILE: Final = "edit-token.key"


def signing_key(file: Path | None, data_dir: Path) -> PrivateKey:
    """The key in `file`; without one, the key of this data directory, which is made on first use.

    Raises:
        SettingsError: CFG011, there is no key in the file, or none can be kept in the data directory.
    """
    if file is not None:
        return _read(file)
    own = data_dir / FILE
    return _read(own) if own.exists() else _made(own)


def _read(file: Path) -> PrivateKey:
    try:
        return PrivateKey(file.read_text().strip())
    except (OSError, ValueError) as wrong:
        raise _unusable(f"{file} holds no key that edit tokens can be signed with ({wrong})") from wrong


def _made(file: Path) -> PrivateKey:
    """Write a new key so that of several processes that begin together all end up with the same one."""
    draft = file.with_name(f"{FILE}.{uuid4().hex}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as written:
            written.write(f"{KeyPair().private_key!r}\n")
            written.flush()
            os.fsync(written.fileno())
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    except OSError as wrong:
        raise _unusable(f"no key for edit tokens can be written to {file} ({wrong})") from wrong
    return _read(file)


def _unusable(why: str) -> SettingsError:
    return SettingsError(
        "CFG011",
        f"{why}; no edit token was issued or taken. Set POINTSMAN_EDITS_KEY_FILE to a file with the key of another API "
        "process, or let this one write to its data directory.",
    )
