"""Subtitles on the page: chosen beside the film or in it, or brought in, and told what is read and dropped of them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from calvin.core.progress import silent
from calvin.page import errands
from calvin.page.assistants import Assistant
from calvin.page.project_errands import begin, describe_again
from calvin.page.replies import Refusal
from calvin.page.shelf import id_of
from calvin.page.subtitle_errands import given, look, tracks
from calvin.studio.project.store import ProjectStore

SRT = """1
00:00:00,500 --> 00:00:01,500
ANN: Who is <i>there</i> & why?

2
00:00:02,000 --> 00:00:02,500
[door slams]

3
00:00:05,000 --> 00:00:06,000
Nobody.
"""
KIND = {"content-type": "application/x-subtitles"}


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errands are done in this process: what a worker is, other tests see to."""

    async def ask(self: Assistant, kind: str, folder: Path, options: dict[str, Any], *_: Any) -> Any:
        work = {"kind": kind, "folder": str(folder), "options": options}
        report = await asyncio.to_thread(errands.run, work, lambda event: None)
        if "done" in report:
            return report["done"]
        raise Refusal(report["status"], report["failed"])

    monkeypatch.setattr(Assistant, "ask", ask)


@pytest.fixture
def with_track(root: Path) -> Path:
    """The film as Matroska with a text track, in a folder of its own."""
    import av

    film = root / "own" / "tracked.mkv"
    film.parent.mkdir()
    (root / "own.srt").write_text(SRT)
    with av.open(str(root / "film.mp4")) as source, av.open(str(root / "own.srt")) as texts, av.open(
        str(film), "w"
    ) as target:  # fmt: skip
        inputs = [source.streams.video[0], texts.streams.subtitles[0]]
        streams = {id(one): target.add_stream_from_template(one) for one in inputs}
        streams[id(inputs[1])].metadata["language"] = "eng"
        for container, stream in ((source, inputs[0]), (texts, inputs[1])):
            for packet in container.demux(stream):
                if packet.dts is not None:
                    packet.stream = streams[id(stream)]
                    target.mux(packet)
    (root / "own.srt").unlink()
    return film


def test_what_lies_beside_the_film_is_offered_and_read(client: TestClient, root: Path, pid: str) -> None:
    (root / "other.srt").write_text(SRT)
    (root / "film.en.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nHello.\n")
    found = client.get(f"/api/p/{pid}/subtitles").json()
    assert [one["words"] for one in found["choices"]] == [
        "film.en.vtt", "other.srt", "None: listen for where people speak",
    ]  # fmt: skip
    assert found["now"] == "2 lines, 2 with words, by what was heard"
    other = client.get(f"/api/p/{pid}/subtitles/{found['choices'][1]['id']}").json()
    assert other["said"] == (
        "Read as SRT (utf-8): 2 lines of dialogue in 3 cues, 1 speaker named; left out: 1 that describe sounds only."
    )
    assert client.get(f"/api/p/{pid}/subtitles/none").json()["said"].startswith("No subtitles are used")
    for unknown in ("file-000000000000", "track-77", "brought-000000000000", "..%2Ffilm.mp4"):
        assert client.get(f"/api/p/{pid}/subtitles/{unknown}").status_code in (400, 404)


def test_a_text_track_of_the_film_is_offered_read_and_taken(with_track: Path) -> None:
    options = {"film": str(with_track)}
    [track] = tracks(with_track.parent, options, silent)["tracks"]
    assert track == {"track": 1, "words": "Track 1 of the film, English"}
    assert "2 lines of dialogue in 3 cues" in look(with_track.parent, options | {"track": 1}, silent)["said"]
    with given({"track": 1}, with_track) as path:
        assert path is not None
        from calvin.media.subtitles import read_subtitles

        lines = read_subtitles(path).lines
        kept = Path(path)
    assert [(line.text, line.speaker, line.span.start_ms) for line in lines] == [
        ("Who is there & why?", "ANN", 500), ("Nobody.", "", 5000),
    ]  # fmt: skip
    assert not kept.exists()
    with given({"subtitles": "none"}, with_track) as path:
        assert path == "none"


def test_a_file_is_brought_in_and_told_what_is_read_of_it(client: TestClient, root: Path, pid: str) -> None:
    answer = client.put(f"/api/p/{pid}/subtitles?name=../../../mine.srt", content=SRT.encode(), headers=KIND)
    found = answer.json()
    assert (answer.status_code, found["words"]) == (200, "mine.srt, brought in")
    assert "2 lines of dialogue" in found["said"]
    assert not list(root.rglob("mine.srt")), "it lies nowhere near the film"
    assert found["id"] in [one["id"] for one in client.get(f"/api/p/{pid}/subtitles").json()["choices"]]
    assert client.get(f"/api/p/{pid}/subtitles/{found['id']}").json()["said"] == found["said"]


@pytest.mark.parametrize(
    ("name", "body", "kind", "status"),
    [
        ("mine.srt", b"no subtitles at all", "application/x-subtitles", 400),
        ("mine.srt", b"", "application/x-subtitles", 400),
        ("mine.exe", SRT.encode(), "application/x-subtitles", 415),
        ("mine.srt", SRT.encode(), "text/plain", 415),
        ("mine.srt", SRT.encode(), "audio/wav", 415),
        ("mine.srt", b"x" * (10 * 2**20 + 1), "application/x-subtitles", 413),
        ("", SRT.encode(), "application/x-subtitles", 422),
        ("mine.ttml", b'<!DOCTYPE x [<!ENTITY a "aaaa">]><tt xmlns="http://www.w3.org/ns/ttml"><body>&a;</body></tt>',
         "application/x-subtitles", 400),
    ],
)  # fmt: skip
def test_what_is_no_subtitle_file_is_refused_and_leaves_nothing(
    client: TestClient, pid: str, name: str, body: bytes, kind: str, status: int
) -> None:
    refused = client.put(f"/api/p/{pid}/subtitles?name={name}", content=body, headers={"content-type": kind})
    assert refused.status_code == status, refused.text
    assert refused.json()["error"].endswith(".")
    assert [one["id"] for one in client.get(f"/api/p/{pid}/subtitles").json()["choices"]] == ["none"]


def test_a_new_project_goes_by_the_subtitles_that_were_chosen(
    client: TestClient, root: Path, make_film: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a film without a project, the choice goes along with what begins it; a job gets a file and no id."""
    sent: list[dict[str, Any]] = []

    async def make(film: Any, options: dict[str, Any]) -> Any:
        sent.append(options)
        raise Refusal(423, "Enough.")

    shutil.copy(root / "film.mp4", root / "new.mp4")
    (root / "second.srt").write_text(SRT)
    [film] = client.get("/api/projects").json()["films"]
    choices = client.get(f"/api/p/{film['pid']}/subtitles").json()["choices"]
    monkeypatch.setattr(workshop_in(client), "make", make)
    chosen = next(one["id"] for one in choices if one["words"] == "second.srt")
    client.post("/api/projects", json={"fid": film["fid"], "empty": True, "subtitles": chosen})
    assert sent[0]["subtitles"] == str(root / "second.srt")
    refused = client.post("/api/projects", json={"fid": film["fid"], "subtitles": "../second.srt"})
    assert refused.status_code == 422
    made = begin(root / "new.calvin", {"film": str(root / "new.mp4"), **sent[0]}, silent)
    assert "to be written" in made["said"]
    with ProjectStore(root / "new.calvin", read_only=True) as store:
        assert [line.text for line in store.dialogue if line.text] == ["Who is there & why?", "Nobody."]
        before = len(store.plans)
    again = describe_again(root / "new.calvin", {"subtitles": "none"}, silent)
    with ProjectStore(root / "new.calvin", read_only=True) as store:
        assert not any(line.text for line in store.dialogue)
        assert store.model["name"] == "nobody", "a project by hand stays one"
        assert store.plans
    assert before
    assert again["said"].startswith("Described: 0 cues")


def workshop_in(client: TestClient) -> Any:
    """The workshop behind the guard of the application."""
    app: Any = client.app
    while not hasattr(app, "state"):
        app = app._app
    return app.state.workshop


def test_a_film_that_cannot_be_read_says_so_in_the_list(client: TestClient, root: Path) -> None:
    (root / "torn.mp4").write_bytes(b"This is no film.")
    found = client.get(f"/api/p/{id_of(root / 'torn.calvin')}/subtitles")
    assert client.get("/api/projects").status_code == 200
    found = client.get(f"/api/p/{id_of(root / 'torn.calvin')}/subtitles")
    assert found.status_code == 200
    assert "torn.mp4" in found.json()["note"]
    assert [one["id"] for one in found.json()["choices"]] == ["none"]
