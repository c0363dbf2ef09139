"""The pages that a browser opens: what is in them, what is not, and what they lead to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from calvin.page.application import create_app
from calvin.page.guard import Admission
from calvin.page.html_routes import HERE
from calvin.page.shelf import Shelf, id_of
from calvin.page.workshop import Workshop
from calvin.studio.project.store import ProjectStore

from .conftest import PORT, TOKEN


def opened(shelf: Shelf) -> TestClient:
    """A browser that has the cookie and nothing else."""
    workshop = Workshop(shelf, Admission(PORT, TOKEN))
    client = TestClient(create_app(workshop), base_url=f"http://127.0.0.1:{PORT}", follow_redirects=False)
    client.cookies.set(workshop.admission.cookie_name, workshop.admission.cookie)
    return client


def test_a_folder_opens_as_a_list_and_a_project_as_its_editor(root: Path, pid: str) -> None:
    listed = opened(Shelf.of(root)).get("/")
    assert listed.status_code == 200
    assert f'content="{TOKEN}"' in listed.text
    alone = opened(Shelf.of(root / "film.calvin")).get("/")
    assert (alone.status_code, alone.headers["location"]) == (303, f"/p/{pid}/")


def test_the_editor_knows_its_project_and_the_token(root: Path, pid: str) -> None:
    answer = opened(Shelf.of(root)).get(f"/p/{pid}/")
    assert answer.status_code == 200
    assert pid in answer.text
    assert f'content="{TOKEN}"' in answer.text


@pytest.mark.parametrize("path", ["/p/000000000000/", "/p/%3Cscript%3E/"])
def test_a_project_that_is_not_there_is_told_on_a_page(root: Path, path: str) -> None:
    answer = opened(Shelf.of(root)).get(path)
    assert answer.status_code == 404
    assert "no project of this id" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_a_title_is_text_and_nothing_else(root: Path, pid: str) -> None:
    with ProjectStore(root / "film.calvin") as store, store.together():
        store._db.execute("UPDATE film SET title = ?", ("</title><script>alert(1)</script>",))
    text = opened(Shelf.of(root)).get(f"/p/{pid}/").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_pages_hold_no_script_or_style_of_their_own_and_ask_nobody_else(root: Path, pid: str) -> None:
    """The content security policy would stop them."""
    client = opened(Shelf.of(root))
    for path in ("/", f"/p/{pid}/", "/p/none/"):
        text = client.get(path).text
        assert not re.findall(r"<script(?![^>]*\bsrc=)", text)
        assert not re.findall(r"\s(?:style|on\w+)=", text)
        assert "<style" not in text
        assets = re.findall(r'(?:src|href)="([^"#]+)"', text)
        assert assets
        for address in assets:
            assert address.startswith("/"), address
            if address.startswith("/static/"):
                assert client.get(address).status_code == 200, address


def test_what_modules_import_is_there() -> None:
    """Without a build step, a name that is wrong shows only in the browser."""
    for module in (HERE / "static").rglob("*.js"):
        for name in re.findall(r'(?:from|import)\s*\(?"(\.[^"]+)"', module.read_text(encoding="utf-8")):
            assert (module.parent / name).is_file(), f"{module.name} imports {name}"


def test_while_a_project_is_made_its_page_is_the_list(root: Path) -> None:
    shelf = Shelf.of(root / "film.mp4", root / "film.calvin")
    assert shelf.projects
    pid = id_of(root / "film.calvin")
    shelf = Shelf(root / "film.mp4", True, {}, {})
    film = Shelf.of(root / "film.mp4", root / "new").films[0]
    shelf._films[film.fid] = film
    (root / "film.calvin").rename(root / "new")
    shelf.look(lambda pid: True)
    assert (shelf.films, shelf.projects) == ([film], {}), "it goes on counting as a film"
    shelf.look(lambda pid: False)
    assert (shelf.films, list(shelf.projects)) == ([], [id_of(root / "new")])
    assert pid not in shelf.projects
