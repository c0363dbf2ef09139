"""A project without a model for the tests of the page, and a browser's side of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from calvin.core.files import file_sha256
from calvin.core.time import Span
from calvin.core.types import Author, Cue, DialogueLine, Place, Status
from calvin.media.film.decode import DecodeSettings, decode_film
from calvin.page.application import create_app
from calvin.page.guard import TOKEN_HEADER, Admission
from calvin.page.shelf import Shelf, id_of
from calvin.page.workshop import Workshop
from calvin.studio.project.contents import Choice, Decision, DecodeRecord, FilmRow
from calvin.studio.project.store import ProjectStore

PORT = 8123
TOKEN = "the-token-of-this-run"


def fill(folder: Path, film: Path) -> Path:
    """A project of a film of nine seconds: three drafts, one approved cue of a person, one empty place, two lines."""
    decoded = decode_film(film, folder / "frames", DecodeSettings(cuts=False))
    with ProjectStore(folder, create=True) as store:
        facts = {"bytes": film.stat().st_size, "frame_rate": 10.0}
        store.bind_film(FilmRow(film.stem, str(film.resolve()), file_sha256(film), decoded.duration_ms, facts))
        store.decoded = DecodeRecord(duration_ms=decoded.duration_ms)
        store.set_shots([Span(start, start + 3000) for start in (0, 3000, 6000)])
        store.set_dialogue(
            [DialogueLine(Span(1900, 2900), "Hello there.", "ANN"), DialogueLine(Span(5000, 5900), "Bye.")]
        )
        spans = [Span(0, 1600), Span(3000, 4700), Span(6000, 7400), Span(7400, 8900)]
        store.set_plan([Place(span, Span(span.start_ms, span.end_ms), span.start_ms + 500) for span in spans])
        for number, place in enumerate(store.plans[:3], 1):
            span = Span(place.span.start_ms, place.span.start_ms + 1200)
            words = [f"A man walks {number}.", f"Someone goes {number}."]
            store.finish_plan(place, words[0], span, words, Decision(Choice.BEST, "Its best words fit."))
        span = Span(4700, 4900)
        store.add_cue(Cue("", span, "He waves.", span, 4750, Author.HUMAN, Status.APPROVED))
        store.skeleton = True
    return folder


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, make_film: Callable[..., Path]) -> Path:
    """A folder with a film and its project, to be copied."""
    root = tmp_path_factory.mktemp("page")
    fill(root / "film.calvin", make_film(root / "film.mp4"))
    return root


@pytest.fixture
def root(filled: Path, tmp_path: Path) -> Path:
    """A folder with a film and its project."""
    folder = tmp_path / "films"
    shutil.copytree(filled, folder)
    with ProjectStore(folder / "film.calvin") as store:
        film = store.bound_film()
        store.bind_film(
            FilmRow(film.title, str((folder / "film.mp4").resolve()), film.sha256, film.duration_ms, film.facts)
        )
    return folder


@pytest.fixture
def workshop(root: Path) -> Workshop:
    return Workshop(Shelf.of(root), Admission(PORT, TOKEN), quiet_s=0.3)


@pytest.fixture
def pid(root: Path) -> str:
    return id_of(root / "film.calvin")


@pytest.fixture
def client(workshop: Workshop) -> Iterator[TestClient]:
    """The page's own code: it knows the token, and has the cookie."""
    with TestClient(create_app(workshop), base_url=f"http://127.0.0.1:{PORT}", headers={TOKEN_HEADER: TOKEN}) as found:
        found.cookies.set(workshop.admission.cookie_name, workshop.admission.cookie)
        yield found
