"""The key that edit tokens are signed with: made once, kept for its owner alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from biscuit_auth import KeyPair

from pointsman.base.errors import SettingsError
from pointsman.rights.signing_key import FILE, signing_key


def test_the_key_of_a_data_directory_is_made_on_first_use(tmp_path: Path) -> None:
    # Given a data directory that does not exist yet
    data_dir = tmp_path / "deep" / "data"
    # When the key is asked for twice
    first, second = (repr(signing_key(None, data_dir)) for _ in range(2))
    # Then it is the same, and nobody else can read it
    assert first == second
    assert [(path.name, path.stat().st_mode & 0o777) for path in data_dir.iterdir()] == [(FILE, 0o600)]


def test_processes_that_begin_together_end_up_with_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: repr(signing_key(None, tmp_path)), range(32)))
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_file_that_is_named_is_read_and_never_made(tmp_path: Path) -> None:
    key = KeyPair().private_key
    file = tmp_path / "shared"
    with pytest.raises(SettingsError, match="CFG011"):
        signing_key(file, tmp_path)
    assert list(tmp_path.iterdir()) == []
    file.write_text(f"{key!r}\n")
    assert repr(signing_key(file, tmp_path)) == repr(key)


@pytest.mark.parametrize("text", ["", "some other secret", "ed25519-private/00", "ed25519/" + "0" * 64])
def test_what_is_no_key_is_said_to_be_none_without_showing_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    with pytest.raises(SettingsError, match="CFG011") as told:
        signing_key(file, tmp_path)
    assert not text or text not in str(told.value)


def test_a_data_directory_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, where a directory should be")
    with pytest.raises(SettingsError, match=r"CFG011 .*data"):
        signing_key(None, tmp_path / "data")
