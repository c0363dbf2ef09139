"""A film with writing in it, described: what is read becomes cues of their own kinds, and models are not told of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from calvin import describe
from calvin.captioners import CaptionAnswer, CaptionerInfo, CaptionRequest
from calvin.core.types import CueKind
from calvin.puppets.draw.video import film_frames, write_video
from calvin.puppets.tell.screenplay import make_film
from calvin.puppets.tell.writings import with_writing
from calvin.studio.project.store import ProjectStore


class Teller:
    """Says something else of each scene, and keeps what it was asked."""

    info = CaptionerInfo("teller", "", "Counts scenes.", {})
    needs = frozenset({"frames"})

    def __init__(self) -> None:
        self.asked: list[CaptionRequest] = []

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        self.asked += requests
        return [CaptionAnswer(f"Scene {request.scene.id} begins.", 0.0) for request in requests]


@pytest.mark.slow
def test_signs_and_title_are_read_out_once_and_left_out_on_request(tmp_path: Path) -> None:
    film = with_writing(make_film(8003, 6, split="heldout", card_ms=3000, seconds=(3.0, 5.6)))
    path = tmp_path / "film.mp4"
    write_video(path, film_frames(film, 640, 360, 5.0), 640, 360, 5.0, crf=23)
    teller = Teller()
    found = describe(path, "none", teller, out_dir=tmp_path / "p", text=True)  # type: ignore[arg-type]
    kinds = {kind: [cue.text for cue in found.script.cues if cue.kind is kind] for kind in CueKind}
    assert kinds[CueKind.TITLE] == [f'Title: "{film.title}." A puppet film.']
    assert len(kinds[CueKind.CREDIT]) == 1
    shown = [*film.signs, *film.inserts]
    assert 0 < len(kinds[CueKind.TEXT]) <= len(shown)
    assert all("On screen" not in line for request in teller.asked for line in request.prompt.context)
    assert any("on the screen" in note for note in found.notes)
    with ProjectStore(tmp_path / "p", read_only=True) as store:
        readings = store.readings
        assert len(readings) == store.readable
    assert not (tmp_path / "p" / "frames" / "readable").exists()

    asked = len(teller.asked)
    again = describe(tmp_path / "p", None, teller)  # type: ignore[arg-type]
    assert again.script.cues == found.script.cues, "a project goes on as it was described"
    assert len(teller.asked) == asked
    without = describe(tmp_path / "p", None, teller, text=False)  # type: ignore[arg-type]
    assert {cue.kind for cue in without.script.cues} == {CueKind.PICTURE}
    with ProjectStore(tmp_path / "p", read_only=True) as store:
        assert store.readings == readings, "what was read is kept"
