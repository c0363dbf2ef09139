"""What there is to say of how a server was asked, in sentences for whoever reads the captions."""

from __future__ import annotations

from collections.abc import Sequence

from calvin.captioners.server_replies import Terms
from calvin.core.text_tables import counted


class Remarks:
    """Sentences, one of each kind; a later one takes the place of the one before."""

    def __init__(self, host: str, frames: int) -> None:
        self._host, self._frames = host, frames
        self._said: dict[str, str] = {}

    @property
    def said(self) -> tuple[str, ...]:
        return tuple(self._said.values())

    def unlisted(self, model: str, has: str) -> None:
        """The server's list lacks the model that answered."""
        self._said["unlisted"] = f"{self._host} lists no model {model} ({has}), and answered all the same."

    def shown(self, terms: Terms, other: Terms) -> None:
        """Pictures are shown fewer or smaller from here on than on the terms before."""
        most = f"{self._host} takes at most {counted(other.stills, 'picture')} in a question"
        if other.stills < self._frames:
            self._said["stills"] = f"{most}: the model saw no more stills of a scene (as with --frames {other.stills})."
        elif other.stills < terms.stills:
            self._said["stills"] = f"{most}: the model saw fewer stills of the shots beside a scene, or none."
        if other.size < terms.size:
            self._said["size"] = (
                f"{self._host} takes no larger pictures: the model saw stills of {other.size} pixels on the longer "
                f"side (as with --still-size {other.size})."
            )


def some(names: Sequence[str]) -> str:
    """Names in a sentence, a few of many."""
    shown = list(names[:8])
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")
