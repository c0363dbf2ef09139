"""What the page asks for, and what it is told where that cannot be had."""

from __future__ import annotations

import csv
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from calvin.core.errors import StoreError
from calvin.page.application import ENDPOINTS, openapi
from calvin.page.replies import MAX_JSON
from calvin.studio.project.store import ProjectStore


def rows(client: TestClient, pid: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/api/p/{pid}/rows").json()["rows"]
    return found


def edit(client: TestClient, pid: str, **values: Any) -> Any:
    return client.post(f"/api/p/{pid}/edits", json=values)


def test_the_list_names_projects_and_films_without_one(client: TestClient, root: Path, pid: str) -> None:
    shutil.copy(root / "film.mp4", root / "other.mp4")
    found = client.get("/api/projects").json()
    [project] = found["projects"]
    assert (project["pid"], project["title"], project["cues"], project["approved"]) == (pid, "film", 4, 1)
    assert [film["name"] for film in found["films"]] == ["other.mp4"]
    assert str(root) not in json.dumps(found), "the page is told no paths"


def test_a_project_says_what_the_page_needs(client: TestClient, pid: str) -> None:
    found = client.get(f"/api/p/{pid}").json()
    assert found["duration_ms"] == 9000
    assert found["film"]["state"] == "playable"
    assert found["counts"] == {"empty": 1, "draft": 3, "needs_work": 0, "approved": 1}
    assert found["shots"] == [[0, 3000], [3000, 6000], [6000, 9000]]
    assert found["dialogue"][0] == {"start_ms": 1900, "end_ms": 2900, "text": "Hello there.", "speaker": "ANN"}
    assert (found["undo"], found["redo"], found["busy"]) == (None, None, None)
    assert found["captioner"]["answers_questions"] is False


def test_rows_are_in_order_and_light_ones_leave_findings_out(client: TestClient, pid: str) -> None:
    whole = rows(client, pid)
    assert [row["key"] for row in whole] == ["cue-1", "cue-2", "cue-4", "cue-3", "place-4"]
    assert any(row["findings"] for row in whole)
    light = client.get(f"/api/p/{pid}/rows?light=1").json()["rows"]
    assert [{**row, "findings": []} for row in whole] == light


def test_an_edit_is_kept_told_and_taken_back(client: TestClient, root: Path, pid: str) -> None:
    first = rows(client, pid)[0]
    done = edit(client, pid, op="text", key="cue-1", version=first["version"], text="A woman sits.").json()
    assert [row["text"] for row in done["changed"] if row["key"] == "cue-1"] == ["A woman sits."]
    assert done["said"]
    assert done["undo"]
    assert rows(client, pid)[0]["text"] == "A woman sits."
    undone = client.post(f"/api/p/{pid}/undo", json={}).json()
    assert undone["redo"]
    assert rows(client, pid)[0] == first
    again = client.post(f"/api/p/{pid}/redo", json={}).json()
    assert again["undo"]
    assert rows(client, pid)[0]["text"] == "A woman sits."


def test_a_stale_edit_changes_nothing_and_shows_both_texts(client: TestClient, pid: str) -> None:
    """Two tabs: the second still shows what the first has changed."""
    old = rows(client, pid)[0]["version"]
    assert edit(client, pid, op="text", key="cue-1", version=old, text="First.").status_code == 200
    refused = edit(client, pid, op="text", key="cue-1", version=old, text="Second.")
    assert refused.status_code == 409
    found = refused.json()
    assert (found["mine"], found["theirs"]["text"]) == ("Second.", "First.")
    assert rows(client, pid)[0]["text"] == "First."


def test_an_edit_that_is_sent_again_is_not_done_twice(client: TestClient, pid: str) -> None:
    """The answer was lost on its way: the page sends the same edit once more."""
    version = rows(client, pid)[0]["version"]
    body, number = {"op": "duplicate", "key": "cue-1", "version": version}, {"x-calvin-edit": "7f1c"}
    first = client.post(f"/api/p/{pid}/edits", json=body, headers=number).json()
    count = len(rows(client, pid))
    assert client.post(f"/api/p/{pid}/edits", json=body, headers=number).json() == first
    assert len(rows(client, pid)) == count


def test_a_project_in_use_says_so_and_is_free_again_after_a_while(client: TestClient, root: Path, pid: str) -> None:
    version = rows(client, pid)[0]["version"]
    with ProjectStore(root / "film.calvin"):
        refused = edit(client, pid, op="delete", key="cue-1", version=version)
        assert refused.status_code == 423
        assert "another calvin" in refused.json()["error"]
        assert len(rows(client, pid)) == 5, "reading goes on"
    assert edit(client, pid, op="delete", key="cue-1", version=version).status_code == 200


def test_the_page_lets_go_of_the_project_when_it_is_quiet(client: TestClient, root: Path, pid: str) -> None:
    """A command can be given as soon as nobody edits; what was exported is renewed by then."""
    from calvin.studio.script.script_files import export_script
    from calvin.studio.script.writers import find_writers

    with ProjectStore(root / "film.calvin") as store:
        [path] = export_script(store, find_writers(["vtt"])).files
    version = rows(client, pid)[0]["version"]
    assert edit(client, pid, op="text", key="cue-1", version=version, text="A woman sits.").status_code == 200
    assert "A woman sits." not in path.read_text(), "not at each keystroke"
    deadline = time.monotonic() + 30
    while "A woman sits." not in path.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    while True:  # renewing comes first, then the lock
        try:
            with ProjectStore(root / "film.calvin") as store:
                assert store.cues[0].text == "A woman sits."
            return
        except StoreError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_film_that_is_gone_is_told_and_its_text_stays(client: TestClient, root: Path, pid: str) -> None:
    (root / "film.mp4").unlink()
    found = client.get(f"/api/p/{pid}").json()["film"]
    assert (found["state"], found["url"]) == ("gone", None)
    assert "film.mp4" in found["why"]
    assert str(root) not in found["why"]
    assert client.get(f"/media/p/{pid}/film").status_code == 404
    assert len(rows(client, pid)) == 5


def test_a_film_is_sent_in_parts(client: TestClient, root: Path, pid: str) -> None:
    whole = (root / "film.mp4").read_bytes()
    part = client.get(f"/media/p/{pid}/film", headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    end = client.get(f"/media/p/{pid}/film", headers={"range": "bytes=-10"})
    assert end.content == whole[-10:]
    beyond = client.get(f"/media/p/{pid}/film", headers={"range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416
    assert client.get(f"/media/p/{pid}/film").content == whole


def test_a_still_is_the_one_on_screen(client: TestClient, root: Path, pid: str) -> None:
    from calvin.media.film.frames import FrameStore

    frames = FrameStore.open(root / "film.calvin" / "frames")
    assert client.get(f"/media/p/{pid}/still/2000.jpg").content == frames.jpeg(10)
    assert client.get(f"/media/p/{pid}/still/{10**30}.jpg").content == frames.jpeg(len(frames) - 1)


@pytest.mark.parametrize("path", ["..%2f", "%2e%2e", "..%2f..%2fetc%2fpasswd", "film.calvin", "%2fetc", "x" * 5000])
def test_no_path_gets_out_of_the_folder(client: TestClient, root: Path, pid: str, path: str) -> None:
    """Projects, films and files are known by ids alone."""
    for place in (f"/api/p/{path}", f"/media/p/{path}/film", f"/media/p/{pid}/download/{path}", f"/static/{path}"):
        answer = client.get(place)
        assert answer.status_code in (404, 405), place
        assert b"root:" not in answer.content
        assert b"SQLite" not in answer.content


def test_downloads_are_files_of_the_project_alone(client: TestClient, root: Path, pid: str) -> None:
    secret = root / "secret.txt"
    secret.write_text("secret")
    with ProjectStore(root / "film.calvin") as store:
        store.exported = ("../secret.txt", "film.vtt", "link.vtt")
        store.mixed = {str(secret.resolve()): (6, 0)}
    (root / "film.calvin" / "film.vtt").write_text("WEBVTT\n")
    (root / "film.calvin" / "link.vtt").symlink_to(secret)
    [found] = client.get(f"/api/p/{pid}/downloads").json()
    assert found["name"] == "film.vtt"
    got = client.get(found["url"])
    assert got.text == "WEBVTT\n"
    assert got.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422), (b"{", 422), (b"[]", 422), (b"null", 422), (b'"text"', 422), (b"{}", 422), (b"\xff\xfe", 422),
        (b'{"op": "explode"}', 422), (b'{"op": "text"}', 422), (b"[" * 100_000, 422),
        (b'{"op": "text", "key": "cue-1", "version": "0", "text": 5}', 422),
        (b'{"op": "text", "key": "cue-1", "version": "0", "text": "\\ud800"}', 422),
        (b'{"op": "nudge", "key": "cue-1", "version": "0", "by_ms": 1e400}', 422),
        (b'{"op": "nudge", "key": "cue-1", "version": "0", "by_ms": 99999999999999999999999}', 422),
        (b'{"op": "text", "key": "cue-1", "version": "0", "text": "x", "path": "/etc/passwd"}', 422),
        (b'{"op": "text", "key": "cue-1", "version": "0", "text": "x", "took_ms": "long"}', 422),
        (b'{"op": "text", "key": "../cue-1", "version": "0", "text": "x"}', 422),
        (b'{"op": "text", "key": "cue-1", "version": "0", "text": "x"}', 409),
        (b'{"op": "text", "key": "cue-999", "version": "0", "text": "x"}', 409),
        (b"x" * (MAX_JSON + 1), 413),
    ],
)  # fmt: skip
def test_bodies_of_another_shape_are_refused(client: TestClient, pid: str, body: bytes, status: int) -> None:
    kind = {"content-type": "application/json"}
    answer = client.post(f"/api/p/{pid}/edits", content=body, headers=kind)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"].endswith((".", "!"))
    assert len(rows(client, pid)) == 5


def test_a_body_that_does_not_say_how_long_it_is_is_cut_off(client: TestClient, pid: str) -> None:
    def endless() -> Any:
        for _ in range(40):
            yield b" " * 65536

    kind = {"content-type": "application/json"}
    assert client.post(f"/api/p/{pid}/edits", content=endless(), headers=kind).status_code == 413


def test_the_log_for_studies_is_kept_only_where_it_is_asked_for(client: TestClient, root: Path, pid: str) -> None:
    version = rows(client, pid)[0]["version"]
    done = edit(client, pid, op="text", key="cue-1", version=version, text="A man runs 1.", took_ms=2000).json()
    assert client.post(f"/api/p/{pid}/log", json={"on": True}).json() == {"on": True}
    assert client.get(f"/api/p/{pid}").json()["settings"]["log"] is True
    version = next(row["version"] for row in done["changed"] if row["key"] == "cue-1")
    edit(client, pid, op="text", key="cue-1", version=version, text="=A man runs 11.", took_ms=1500)
    row = next(csv.DictReader(client.get(f"/api/p/{pid}/log.csv").text.splitlines()))
    assert (row["cue"], row["edits"], row["seconds"]) == ("cue-1", "1", "1.5"), "the edit before it was not kept"
    # "A man walks 1." to "=A man runs 11.": one put in before, walk to run (4), one more 1
    assert (row["characters_changed"], row["words_changed"]) == ("6", "3")
    assert row["last_text"] == "'=A man runs 11.", "no spreadsheet takes it for a formula"


def test_a_project_that_is_damaged_says_so(client: TestClient, root: Path, pid: str) -> None:
    (root / "film.calvin" / "project.sqlite").write_bytes(b"not a database" * 100)
    for place in ("", "/rows", "/rows?light=1", "/lint", "/downloads", "/cast"):
        answer = client.get(f"/api/p/{pid}{place}")
        assert answer.status_code == 400
        assert "damaged" in answer.json()["error"]
    assert client.get("/api/projects").status_code == 200


def test_every_address_is_in_openapi(client: TestClient) -> None:
    found = client.get("/api/openapi.json").json()
    assert found == json.loads(json.dumps(openapi()))
    told = {(method.upper(), path) for path, methods in found["paths"].items() for method in methods}
    assert told == {(one.method, one.path.replace(":int}", "}")) for one in ENDPOINTS}
