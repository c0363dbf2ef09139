"""The one tree of errors that users see.

Each message says in one sentence what was wrong and what to do about it. `assert` is for programmers; these are
for people. The command line prints the message alone and exits with `exit_code`.
"""

from __future__ import annotations

from calvin.core.masking import masked


class CalvinError(Exception):
    """Anything calvin raises on purpose; passwords, keys and tokens in its message are masked."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(masked(message))


class UsageError(CalvinError):
    """The request itself cannot be carried out: a bad option, an unknown name, a value out of range."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration or recipe that is unknown or contradicts itself."""


class MissingExtraError(UsageError):
    """A feature whose optional packages are not installed."""

    def __init__(self, feature: str, extra: str, cause: str = "") -> None:
        why = f" ({cause})" if cause else ""
        super().__init__(f"{feature} needs optional packages{why}: run `pip install 'calvin-ad[{extra}]'`.")
        self.extra = extra
        self._parts = (feature, extra, cause)

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        # The message alone would not rebuild it: errors also travel between processes.
        return type(self), self._parts


class MediaError(CalvinError):
    """A film, clip, image or sound file that cannot be used."""


class SubtitleError(MediaError):
    """A subtitle file that cannot be read."""


class DataError(CalvinError):
    """A data set, annotation file or sample that cannot be used."""


class FeatureError(DataError):
    """Stored features that do not belong to this encoder, film or frame rate."""


class CheckpointError(CalvinError):
    """A model folder or training checkpoint that is incomplete or of another shape."""


class StoreError(CalvinError):
    """A project folder that cannot be opened or does not belong to this film."""


class ServerError(CalvinError):
    """A model server that cannot be reached, refuses (with what HTTP `status`), or answers with nonsense."""

    status: int | None = None


def first_line(error: BaseException) -> str:
    """The first line of another library's error that says something, without its full stop, else the error's kind."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__).rstrip(".")
