"""What workers do, asked in this process: the same functions as the commands, and what they say where they cannot."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calvin.captioners.base import CaptionAnswer, CaptionerInfo, CaptionRequest
from calvin.core.errors import CalvinError, UsageError
from calvin.core.progress import Progress
from calvin.page import errands, film_errands, moment_errands, project_errands
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.describe_settings import DescribeRecord, DescribeSources, PromptSettings
from calvin.studio.project.store import ProjectStore


class Onlooker:
    """A captioner that answers with what it was asked and shown."""

    info, needs = CaptionerInfo("onlooker"), frozenset({"frames"})
    asked: list[CaptionRequest]

    def __init__(self, text: str = "She holds a letter.", others: tuple[str, ...] = ()) -> None:
        self.text, self.others, self.asked = text, others, []

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        self.asked += requests
        return [CaptionAnswer(self.text, 0.0, (self.text, *self.others)) for _ in requests]


class Describer(Onlooker):
    needs = frozenset({"features"})  # type: ignore[assignment]


@pytest.fixture
def onlooker(monkeypatch: pytest.MonkeyPatch) -> Onlooker:
    found = Onlooker(others=("A letter.", "She reads it aloud to everybody there."))
    monkeypatch.setattr(moment_errands, "_captioner", lambda store, listener, stages=True: found)
    return found


def silent(_: Progress) -> None:
    pass


def test_a_question_is_asked_with_stills_of_its_shot_alone(root: Path, onlooker: Onlooker) -> None:
    options = {"question": "What is she holding?", "at_ms": 3200}
    found = moment_errands.ask(root / "film.calvin", options, silent)
    assert found["answer"] == "She holds a letter."
    [request] = onlooker.asked
    assert request.prompt.question == "What is she holding?"
    assert request.scene.frames is not None
    shown = [frame.time_ms for frame in request.scene.frames()]
    assert shown == found["stills"]
    assert all(3000 <= time_ms < 5300 for time_ms in shown), "the shot begins at 3 s"
    with ProjectStore(root / "film.calvin", read_only=True) as store:
        assert "letter" not in " ".join(cue.text for cue in store.cues), "nothing of it enters the script"


def test_a_captioner_that_only_describes_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moment_errands, "_captioner", lambda store, listener, stages=True: Describer())
    with pytest.raises(UsageError, match="answers no questions"):
        moment_errands.ask(root / "film.calvin", {"question": "Who?", "at_ms": 0}, silent)


def test_other_words_are_asked_for_with_names_and_in_fewer_words(root: Path, onlooker: Onlooker) -> None:
    options = {"key": "cue-3", "shorter": False, "names": ["Ann"]}
    found = moment_errands.again(root / "film.calvin", options, silent)
    assert found["candidates"] == ["She holds a letter.", "A letter.", "She reads it aloud to everybody there."]
    [request] = onlooker.asked
    assert (request.prompt.entities, request.prompt.context) == (("Ann",), ()), "names stand alone, as in describing"
    assert request.licence is not None
    assert "Ann" in request.licence.may
    moment_errands.again(root / "film.calvin", {"key": "cue-3"}, silent)
    assert onlooker.asked.pop(1).prompt.context == ("A man walks 1.", "A man walks 2.", "He waves.")
    shorter = moment_errands.again(root / "film.calvin", options | {"shorter": True}, silent)
    assert onlooker.asked[1].max_words == 3, "two fewer than the cue has, and no fewer than a sentence needs"
    assert shorter["candidates"] == ["A letter."]


def test_a_place_without_words_is_asked_about_too(root: Path, onlooker: Onlooker) -> None:
    found = moment_errands.again(root / "film.calvin", {"key": "place-4"}, silent)
    assert found["candidates"][0] == "She holds a letter."
    with pytest.raises(CalvinError, match="no such place"):
        moment_errands.again(root / "film.calvin", {"key": "place-99"}, silent)


def test_no_other_words_are_said_to_be_none(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moment_errands, "_captioner", lambda store, listener, stages=True: Onlooker("A man walks 1."))
    with pytest.raises(UsageError, match="no other words"):
        moment_errands.again(root / "film.calvin", {"key": "cue-1"}, silent)


def test_a_project_is_voiced_and_mixed_and_what_is_left_out_is_told(root: Path) -> None:
    folder = root / "film.calvin"
    with ProjectStore(folder) as store:
        from dataclasses import replace

        store.edit_cue(replace(store.cue("3"), extended=True))
    spoken = film_errands.voice(folder, {"voice": "espeak"}, silent)
    assert "4 cues spoken" in spoken["said"]
    mixed = film_errands.mix(folder, {"extended": False, "format": "m4a"}, silent)
    assert mixed["files"] == ["film.ad.m4a"]
    assert (folder / "delivery" / "film.ad.m4a").is_file()
    with ProjectStore(folder, read_only=True) as store:
        paused = [cue for cue in store.cues if cue.extended]
    assert [one["key"] for one in mixed["left_out"]] == [f"cue-{cue.id}" for cue in paused]
    assert any(line.startswith("mix: ") for line in mixed["levels"])
    by_spec = film_errands.mix(folder, {"format": "wav", "spec": "ebu-r128"}, silent)
    assert by_spec["files"] == ["film.ad.ebu-r128.wav"]
    [measured] = [line for line in by_spec["levels"] if line.startswith("mix: ")]
    assert abs(float(measured.split()[1]) + 23) <= 0.5
    with pytest.raises(UsageError, match=r"no delivery called '\.\./x'"):
        film_errands.mix(folder, {"spec": "../x"}, silent)
    assert all("pause" in one["why"] for one in mixed["left_out"])
    again = film_errands.voice(folder, {}, silent)
    assert "0 cues spoken" in again["said"]
    assert "4 kept" in again["said"]


def test_what_a_mix_left_out_is_told_by_the_mix_itself(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit that comes just after the mix, before it is told of, changes nothing of what that mix left out."""
    from dataclasses import replace

    from calvin.studio.sound import film_mix

    folder = root / "film.calvin"
    film_errands.voice(folder, {"voice": "tones"}, silent)
    with ProjectStore(folder) as store:
        for cue in store.cues:
            store.edit_cue(replace(cue, extended=cue.id == "3"))
    mix, edited = film_mix.mix_project, []

    def mix_then_edit(*args: Any, **kwargs: Any) -> Any:
        made = mix(*args, **kwargs)
        with ProjectStore(folder) as store:
            edited.append(store.cue("3"))
            store.edit_cue(replace(store.cue("3"), extended=False))
        return made

    monkeypatch.setattr(film_mix, "mix_project", mix_then_edit)
    mixed = film_errands.mix(folder, {"format": "wav"}, silent)
    assert len(edited) == 1
    why = "The film would have to pause for it."
    assert ("cue-3", why) in [(one["key"], one["why"]) for one in mixed["left_out"]]


def test_a_mix_without_a_voice_says_what_to_do(root: Path) -> None:
    with pytest.raises(UsageError, match="not spoken"):
        film_errands.mix(root / "film.calvin", {}, silent)


def test_a_copy_of_a_film_that_is_gone_says_so(root: Path) -> None:
    (root / "film.mp4").unlink()
    with pytest.raises(CalvinError, match="no longer where it was"):
        film_errands.proxy(root / "film.calvin", {}, silent)


def test_people_are_proposed_by_what_is_said(root: Path) -> None:
    folder = root / "film.calvin"
    found = project_errands.propose_people(folder, {}, silent)
    assert [one["name"] for one in found["proposals"]] == ["Ann"]
    assert project_errands.kept_proposals(folder) == found["proposals"]
    assert all(0 <= at_ms < 9000 for at_ms in found["proposals"][0]["stills"])
    project_errands.reject(folder, "1")
    assert project_errands.kept_proposals(folder) == []
    (folder / project_errands.PROPOSALS).write_text("[" * 10)
    assert project_errands.kept_proposals(folder) == []


def test_the_cast_is_filled_by_what_is_accepted_and_by_portraits(client: Any, root: Path, pid: str) -> None:
    project_errands.propose_people(root / "film.calvin", {}, silent)
    accepted = client.post(f"/api/p/{pid}/cast", json={"op": "accept", "id": "1", "name": "Ann Lee"}).json()
    assert accepted["people"] == [{"name": "Ann Lee", "look": "", "portraits": 0, "pictures": 0}]
    assert accepted["proposals"] == []
    drawn = {"op": "portrait", "name": "Tom", "at_ms": 3000, "box": [0.1, 0.2, 0.3, 0.4]}
    after = client.post(f"/api/p/{pid}/cast", json=drawn).json()
    assert after["people"][1] == {"name": "Tom", "look": "", "portraits": 1, "pictures": 0}
    assert "box = [0.1, 0.2, 0.3, 0.4]" in (root / "film.calvin" / "cast.toml").read_text()
    with ProjectStore(root / "film.calvin", read_only=True) as store:
        assert store.sources is not None
        assert store.sources.cast == str((root / "film.calvin" / "cast.toml").resolve())
    for bad in ({"at_ms": 9000}, {"box": [0.9, 0, 0.5, 0.5]}, {"box": [0, 0, 0, 1]}):
        assert client.post(f"/api/p/{pid}/cast", json=drawn | bad).status_code == 400
    assert client.post(f"/api/p/{pid}/cast", json={"op": "accept", "id": "7"}).status_code == 404


def test_an_errand_reports_how_far_it_is(root: Path) -> None:
    told: list[dict[str, Any]] = []
    errand = {"kind": "voice", "folder": str(root / "film.calvin"), "options": {"voice": "tones"}}
    report = errands.run(errand, told.append)
    assert "done" in report, report
    voiced = [one for one in told if one["stage"] == "voice"]
    assert voiced[-1] | {"left_s": 0} == {
        "stage": "voice", "done": 4.0, "total": 4, "unit": "cues", "detail": "", "left_s": 0
    }  # fmt: skip
    assert json.loads(json.dumps(report)) == report


def test_a_film_that_moved_is_found_by_nobody(root: Path) -> None:
    """The page says so before a voice or model is opened for it."""
    with ProjectStore(root / "film.calvin") as store:
        film = store.bound_film()
        store.bind_film(FilmRow(film.title, str(root / "away.mp4"), film.sha256, film.duration_ms, film.facts))
    report = errands.run({"kind": "describe", "folder": str(root / "film.calvin"), "options": {}}, lambda event: None)
    assert "no longer at" in report["failed"]


def test_a_captioner_that_is_away_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model server that was stopped: nothing is at its port."""
    monkeypatch.setattr(moment_errands, "_captioners", {})
    with ProjectStore(root / "film.calvin") as store:
        store.sources = DescribeSources(model="openai:http://127.0.0.1:9/v1#gone")
    errand = {"kind": "ask", "folder": str(root / "film.calvin"), "options": {"question": "Who?", "at_ms": 0}}
    report = errands.run(errand, lambda event: None)
    assert report["status"] == 503
    assert "127.0.0.1:9" in report["failed"]


def remember(folder: Path, **prompt: Any) -> None:
    """As if the project had been described with these prompt settings."""
    with ProjectStore(folder) as store:
        store.begin_description(DescribeRecord(model="onlooker", prompt=PromptSettings(**prompt)))


def test_both_are_told_what_describing_tells(root: Path, onlooker: Onlooker) -> None:
    """Title, style, room and the dialogue around, as the project remembers them; a name only who is introduced."""
    folder = root / "film.calvin"
    remember(folder, title="The Walk", style="Plain words.")
    moment_errands.ask(folder, {"question": "Who?", "at_ms": 3500, "key": "cue-2"}, silent)
    moment_errands.again(folder, {"key": "cue-2"}, silent)
    asked, again = (request.around for request in onlooker.asked)
    for around in (asked, again):
        assert (around.title, around.style) == ("The Walk", "Plain words.")
        assert around.room_words is not None
        assert [line.text for line in around.before] == ["Hello there."]
        assert [line.text for line in around.after] == ["Bye."]
    assert [line.speaker for line in asked.before] == ["ANN"], "the answer is for the describer, who may know"
    assert [line.speaker for line in again.before] == [""]
    remember(folder, room=False, dialogue=False)
    moment_errands.again(folder, {"key": "cue-2"}, silent)
    around = onlooker.asked[-1].around
    assert (around.title, around.room_words, around.before) == ("", None, ())


def test_other_words_name_nobody_who_is_not_introduced(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = Onlooker("Ann reads a letter.", ("She holds a letter.",))
    monkeypatch.setattr(moment_errands, "_captioner", lambda store, listener, stages=True: named)
    found = moment_errands.again(root / "film.calvin", {"key": "cue-2"}, silent)
    assert not any("Ann" in text for text in found["candidates"])
    found = moment_errands.again(root / "film.calvin", {"key": "cue-2", "names": ["Ann"]}, silent)
    assert found["candidates"][0] == "Ann reads a letter."


@pytest.mark.parametrize(("sees", "size"), [(768, (576, 384)), (None, (96, 64))])
def test_large_stills_are_shown_to_whom_they_are_of_use(
    root: Path, onlooker: Onlooker, sees: int | None, size: tuple[int, int]
) -> None:
    from calvin.media.film.decode import LARGE
    from calvin.media.film.frames import FrameWriter

    folder = root / "film.calvin" / "frames" / LARGE
    folder.mkdir()
    with FrameWriter(folder, 2.0) as writer:
        for shade in range(18):
            writer.add(np.full((384, 576, 3), 10 * shade, np.uint8))
    onlooker.still_size = sees  # type: ignore[attr-defined]
    moment_errands.ask(root / "film.calvin", {"question": "What does the sign say?", "at_ms": 4500}, silent)
    moment_errands.again(root / "film.calvin", {"key": "cue-2"}, silent)
    for request in onlooker.asked:
        assert request.scene.frames is not None
        [first, *_] = request.scene.frames()
        with Image.open(io.BytesIO(first.jpeg)) as picture:
            assert picture.size == size


def test_what_is_at_work_on_a_question_is_told(root: Path, onlooker: Onlooker) -> None:
    told: list[str] = []
    moment_errands.ask(root / "film.calvin", {"question": "Who?", "at_ms": 0}, lambda event: told.append(event.stage))
    assert told == ["onlooker looks at 8 stills"]


def test_the_captioner_is_opened_as_describing_opens_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In two stages where the project is described so, but not for a question; once, until something changes."""
    opened: list[tuple[str | None, bool]] = []

    def open_one(name: str | None, options: Any) -> Onlooker:
        opened.append((name, options.two_stages))
        return Onlooker("A letter.")

    monkeypatch.setattr(moment_errands, "_captioners", {})
    monkeypatch.setattr(moment_errands, "open_captioner", open_one)
    folder = root / "film.calvin"
    with ProjectStore(folder) as store:
        store.sources = DescribeSources(model="some/model", two_stages=True)
    for _ in range(2):
        moment_errands.again(folder, {"key": "cue-2"}, silent)
    moment_errands.ask(folder, {"question": "Who?", "at_ms": 0}, silent)
    assert opened == [("some/model", True), ("some/model", False)]


def png(width: int, height: int, kind: str = "PNG") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (width, height), (120, 40, 200)).save(made, kind)
    return made.getvalue()


def claimed(width: int, height: int) -> bytes:
    """A small PNG whose head says that it is large."""
    body = png(64, 64)
    head = b"IHDR" + struct.pack(">II", width, height) + body[24:29]
    return body[:12] + head + struct.pack(">I", zlib.crc32(head)) + body[33:]


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errands of an assistant are done in this process."""
    from calvin.page.assistants import Assistant
    from calvin.page.replies import Refusal

    async def ask(self: Assistant, kind: str, folder: Path, options: dict[str, Any], *_: Any) -> Any:
        report = errands.run({"kind": kind, "folder": str(folder), "options": options}, lambda event: None)
        if "done" not in report:
            raise Refusal(report["status"], report["failed"])
        return report["done"]

    monkeypatch.setattr(Assistant, "ask", ask)


def test_a_picture_from_elsewhere_joins_the_cast(client: Any, in_process: None, root: Path, pid: str) -> None:
    folder = root / "film.calvin"
    for kind in ("PNG", "JPEG"):
        answer = client.put(
            f"/api/p/{pid}/cast/pictures?name=Ann%20Lee", content=png(3000, 1500, kind),
            headers={"content-type": f"image/{kind.lower()}"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        assert answer.json()["said"] == "A picture of Ann Lee is kept, 1024 x 512 pixels."
    assert answer.json()["people"] == [{"name": "Ann Lee", "look": "", "portraits": 0, "pictures": 2}]
    from calvin.studio.cast.characters import read_cast_file

    for path in read_cast_file(folder / "cast.toml").pictures["Ann Lee"]:
        with Image.open(path) as kept:
            assert (kept.format, kept.size) == ("JPEG", (1024, 512))
    assert not list(folder.rglob("given"))


@pytest.mark.parametrize(
    ("body", "kind", "name", "status", "why"),
    [
        (b"GIF89a" + b"x" * 99, "image/png", "Ann", 400, "no PNG or JPEG"),
        (png(300, 300)[:200], "image/png", "Ann", 400, "no PNG or JPEG"),
        (claimed(9000, 9000), "image/png", "Ann", 400, "at most 40 million"),
        (png(20, 300), "image/png", "Ann", 400, "nobody can be told"),
        (png(300, 300), "audio/wav", "Ann", 415, "image/png"),
        (b"x" * (15 * 2**20 + 1), "image/jpeg", "Ann", 413, "too large"),
        (png(300, 300), "image/png", "", 422, "name"),
        (png(300, 300), "image/png", "Ann;Bob", 400, "name"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused_and_leaves_nothing(
    client: Any, in_process: None, root: Path, pid: str, body: bytes, kind: str, name: str, status: int, why: str
) -> None:
    headers = {"content-type": kind}
    refused = client.put(f"/api/p/{pid}/cast/pictures?name={name}", content=body, headers=headers)
    assert refused.status_code == status, refused.text
    assert why in refused.json()["error"]
    assert not list(root.rglob("*.jpg"))
    assert not (root / "film.calvin" / "cast.toml").exists()
