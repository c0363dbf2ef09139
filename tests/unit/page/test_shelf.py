"""Which projects and films the page may open, and the server that opens them."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from calvin.cli.main import app
from calvin.core.errors import UsageError
from calvin.page.guard import TOKEN_HEADER
from calvin.page.replies import Refusal
from calvin.page.serve import HOST, bound
from calvin.page.shelf import Shelf, id_of
from calvin.studio.project.glance import Glance, glance
from calvin.studio.project.store import ProjectStore


def test_a_project_a_film_and_a_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    project, film = root / "film.calvin", root / "film.mp4"
    assert list(Shelf.of(project).projects.values()) == [project]
    assert list(Shelf.of(film).projects.values()) == [Path("film.calvin")], "the film's own project"
    assert list(Shelf.of(root).projects.values()) == [project]
    assert Shelf.of(root).films == [], "the film has one"
    [new] = Shelf.of(film, root / "other").films
    assert (new.path, new.project) == (film, root / "other")


def test_a_film_that_gets_a_project_moves_to_the_projects(root: Path) -> None:
    film = root / "new.mp4"
    (root / "film.mp4").rename(film)
    shelf = Shelf.of(film, root / "new")
    [listed] = shelf.films
    with pytest.raises(Refusal):
        shelf.project("000000000000")
    assert shelf.project(id_of(root / "new")) == root / "new", "its page can be listened to while it is made"
    (root / "film.calvin").rename(root / "new")
    shelf.look()
    assert (shelf.films, list(shelf.projects)) == ([], [id_of(listed.project)])
    with pytest.raises(Refusal, match="has a project by now"):
        shelf.film(listed.fid)


def test_films_that_differ_in_their_suffix_alone_have_projects_of_their_own(
    client: TestClient, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one's project is never the first one's, whichever of them is begun, and by whichever way."""
    monkeypatch.chdir(root)
    for name in ("film.mkv", "same.mp4", "same.mkv"):
        (root / name).write_bytes(name.encode() * 9)
    films = {one.path.name: one for one in Shelf.of(root).films}
    assert {name: one.project.name for name, one in films.items()} == {
        "film.mkv": "film.mkv.calvin", "same.mp4": "same.mp4.calvin", "same.mkv": "same.mkv.calvin",
    }  # fmt: skip
    assert len({id_of(one.project) for one in films.values()}) == 3
    told = {one["name"]: one["note"] for one in client.get("/api/projects").json()["films"]}
    assert told["film.mkv"] == "Another film here is called film too, so its project is the folder film.mkv.calvin."
    alone = Shelf.of(Path("film.mkv"))
    assert [film.project.name for film in alone.films] == ["film.mkv.calvin"], "film.calvin is that of film.mp4"
    assert "film.calvin is the project of another film" in alone.note
    with pytest.raises(UsageError, match="name a new folder"):
        Shelf.of(Path("film.mkv"), root / "film.calvin")
    shutil.copytree(root / "film.calvin", root / "film.mkv.calvin")
    with ProjectStore(root / "film.mkv.calvin") as store:
        store._db.execute("UPDATE film SET path = ?", (str(root / "film.mkv"),))
        store._db.commit()
    titles = {one["path_label"]: one["title"] for one in client.get("/api/projects").json()["projects"]}
    assert titles == {"film.calvin": "film (film.mp4)", "film.mkv.calvin": "film (film.mkv)"}
    assert not any(one["name"] == "film.mkv" for one in client.get("/api/projects").json()["films"])


def test_a_folder_that_was_moved_still_knows_which_film_is_whose(root: Path, tmp_path: Path) -> None:
    """Its project says where the film was; of two films of that name it is the one with the same suffix."""
    moved = root.rename(tmp_path / "moved")
    (moved / "film.mkv").write_bytes(b"another film")
    [film] = Shelf.of(moved).films
    assert (film.path.name, film.project.name) == ("film.mkv", "film.mkv.calvin")


@pytest.mark.parametrize("name", ["nothing.mp4", "notes.txt"])
def test_what_is_neither_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("no film")
    with pytest.raises(UsageError, match="name a project, a film or a folder"):
        Shelf.of(tmp_path / name)


def test_a_glance_at_what_is_no_project_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "project.sqlite").write_bytes(b"no database")
    assert glance(tmp_path) == glance(tmp_path / "nowhere") == Glance()


def test_the_socket_is_this_machines_alone() -> None:
    with bound() as found:
        assert found.proto == socket.IPPROTO_TCP, (
            "asyncio sends at once by such sockets alone; by others it takes 40 ms"
        )
        host, port = found.getsockname()
        found.listen()
        assert (host, port > 0) == (HOST, True)
        with pytest.raises(UsageError, match=f"Port {port} cannot be used"):
            bound(port)
        for other in _other_addresses():
            with pytest.raises(OSError), socket.create_connection((other, port), timeout=2):  # noqa: PT011
                pass


def _other_addresses() -> list[str]:
    """Addresses of this machine by which others reach it."""
    found = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    return sorted(address for address in found if not address.startswith("127."))


@contextlib.contextmanager
def command(*words: object) -> Iterator[tuple[subprocess.Popen[str], httpx2.Client]]:
    """`calvin studio` in a process of its own, and a client that has its token."""
    line = [sys.executable, "-m", "calvin", "studio", *map(str, words), "--no-open"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"(http://127\.0\.0\.1:\d+)/\?token=(\S+)", process.stdout.readline())
        assert found is not None
        with httpx2.Client(base_url=found[1], timeout=120, headers={TOKEN_HEADER: found[2]}) as client:
            yield process, client
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_it_cleanly_and_says_goodbye_to_open_pages(root: Path) -> None:
    with command(root) as (process, client):
        pid = client.get("/api/projects").json()["projects"][0]["pid"]
        heard: list[str] = []

        def listen() -> None:
            with client.stream("GET", f"/api/p/{pid}/events") as answer:
                heard.extend(answer.iter_lines())

        page = threading.Thread(target=listen)
        page.start()
        while not any("hello" in line for line in heard):
            time.sleep(0.05)
        row = client.get(f"/api/p/{pid}/rows").json()["rows"][0]
        edit = {"op": "delete", "key": row["key"], "version": row["version"]}
        assert client.post(f"/api/p/{pid}/edits", json=edit).status_code == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        page.join(timeout=60)
    assert process.returncode == 0
    assert out.splitlines()[-1] == "Ended; everything is saved."
    assert err == ""
    told = [line for line in heard if line.startswith("data:")]
    assert '"type":"rows"' in told[1]
    assert '"type":"bye"' in told[-1]


def test_the_server_loads_no_torch(root: Path) -> None:
    """A model is loaded by a worker, and the server stays small."""
    code = (
        "import sys; import calvin.page.serve, calvin.page.errands; "
        "sys.exit(sorted({name.partition('.')[0] for name in sys.modules} & {'torch', 'transformers', 'peft'}) or None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_film_of_no_kind_is_a_sentence_and_no_server() -> None:
    result = CliRunner().invoke(app, ["studio", "nothing.mp4", "--no-open"])
    assert result.exit_code == 2
    assert "does not exist" in result.stderr
