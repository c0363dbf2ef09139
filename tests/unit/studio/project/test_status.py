"""What a project says of itself."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from calvin.studio.describe.skeleton import skeleton_notes
from calvin.studio.project.status import current_notes


@pytest.mark.parametrize("done", [(True, True), (True, False)])
def test_a_skeleton_is_no_longer_to_be_written_once_every_place_has_words(
    done: tuple[bool, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calvin.studio.describe.skeleton._at_hand", lambda _: None)
    monkeypatch.setattr("calvin.media.film.ocr.can_read", lambda: True)
    other = "The subtitles beside the film are used (film.srt)."
    notes = (*skeleton_notes("animated puppet films", Path("film.calvin"), "film"), other)
    store: Any = SimpleNamespace(cues=[], notes=notes, plans=[SimpleNamespace(done=one) for one in done])
    assert current_notes(store) == ((other,) if all(done) else notes)
