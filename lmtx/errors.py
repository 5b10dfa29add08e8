"""Errors that a user can act on.

Every message says what, where, got and expected, and the remedy. Pages and the
CLI catch `LmtxError` alone and show it; anything else is a bug and propagates.
"""

from __future__ import annotations

import zipfile
import zlib

DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)
"""What reading a missing, cut off or overwritten file of arrays raises."""


class LmtxError(Exception):
    """Base of all errors with a message meant for the user."""


class InputError(LmtxError):
    """A file, a value or an argument of the user's is not usable (CLI exit code 2)."""


class NotFoundError(InputError):
    """A workspace, document, label, run or job that was named does not exist."""


class ShapeError(LmtxError, ValueError):
    """Arrays that belong together disagree in shape."""


class StorageError(LmtxError):
    """Journal, index or cache can't be read or written."""


class ReadOnlyError(LmtxError):
    """Something would be written to a workspace that is open to be looked at."""

    def __init__(self, what: str = "This") -> None:
        super().__init__(
            f"{what} would change the workspace, which is open read-only. Open it without --read-only "
            "(and without LMTX_READ_ONLY) to change it."
        )


class LockedError(StorageError):
    """Another process owns what this one asked for."""


class EncoderError(LmtxError):
    """An encoder can't be loaded, or its weights are not the expected ones."""


class TeacherError(LmtxError):
    """A teacher is misconfigured or can't answer."""


class TeacherSpecError(TeacherError, InputError):
    """A teacher was named that does not exist, or with parameters that it does not take."""


class ConsentError(TeacherError):
    """Texts would leave the machine, and nobody has said that they may."""


class JobCancelled(LmtxError):  # noqa: N818 - an outcome, not a fault
    """The job was asked to stop; what it had committed is kept."""


class NothingToDoError(LmtxError):
    """A step has no input yet; the message names the step that comes first."""
