"""Which status and sentence an error gets."""

from __future__ import annotations

import errno
import sqlite3

import pytest

from calvin.core.errors import CalvinError, MissingExtraError, ServerError, StoreError, UsageError
from calvin.page.replies import Refusal, answer, sentence_of, status_of


def caused(cause: BaseException) -> StoreError:
    error = StoreError("The project cannot be used.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("Choose another."), 400),
        (CalvinError("No."), 400),
        (Refusal(409, "Another has changed it."), 409),
        (ServerError("Nothing answers."), 503),
        (MissingExtraError("Speaking", "voice"), 503),
        (OSError(errno.ENOSPC, "No space left on device"), 507),
        (OSError(errno.EIO, "Input/output error"), 503),
        (sqlite3.OperationalError("disk I/O error"), 503),
        (caused(sqlite3.OperationalError("database is locked")), 423),
        (caused(sqlite3.OperationalError("database or disk is full")), 507),
        (caused(sqlite3.OperationalError("attempt to write a readonly database")), 400),
        (caused(OSError(errno.ENOSPC, "No space left on device")), 507),
        (caused(sqlite3.DatabaseError("file is not a database")), 400),
    ],
)
def test_an_error_has_the_status_that_fits_and_a_sentence(error: Exception, status: int) -> None:
    assert status_of(error) == status
    assert sentence_of(error).endswith(".")


def test_a_file_that_fails_does_not_tell_its_path() -> None:
    error = OSError(errno.EACCES, "Permission denied", "/home/somebody/films/secret.mp4")
    assert "secret" not in sentence_of(error)
    assert "Permission denied" in sentence_of(error)


def test_what_json_does_not_have_is_a_fault_and_half_a_character_is_sent_as_a_mark() -> None:
    with pytest.raises(TypeError, match="nothing that JSON has"):
        answer({"a": object()})
    assert answer({"a": "x\ud800"}).body == b'{"a":"x?"}'
