"""Thousands of requests that nobody thought of: none ends in a fault, and whoever is not let in stays out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from starlette.testclient import TestClient

from calvin.page.application import ENDPOINTS, openapi
from calvin.page.guard import KINDS, TOKEN_HEADER
from calvin.page.replies import MAX_JSON
from calvin.studio.edit import edits as edit_shapes

from .conftest import PORT, TOKEN
from .test_guard import address
from .test_routes import rows

words = st.text(max_size=40)
odd = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-5, 10_000), st.floats(), words,
    st.sampled_from(["cue-1", "cue-2", "cue-3", "place-4", "cue-99", "text", "delete", "approve", "nudge", "all"]),
)  # fmt: skip
NAMES = (
    *("op", "key", "version", "text", "by_ms", "start_ms", "end_ms", "at", "at_ms", "place", "keys", "status", "kind"),
    *("on", "number", "id", "done", "with", "case", "whole", "formats", "question", "shorter", "names", "name", "box"),
    *("fid", "empty", "model", "light", "took_ms", "frames"),
)
bodies = st.one_of(
    st.dictionaries(st.one_of(st.sampled_from(NAMES), words), st.one_of(odd, st.lists(odd, max_size=3)), max_size=8),
    odd,
)
SHAPES = {
    get_args(shape.model_fields["op"].annotation)[0]: {
        field.alias or name: field.is_required() for name, field in shape.model_fields.items() if name != "op"
    }
    for shape in vars(edit_shapes).values()
    if isinstance(shape, type) and issubclass(shape, BaseModel) and "op" in shape.model_fields
}
"""The fields of each kind of edit, and whether they have to be there."""
ENDING = [one for one in ENDPOINTS if not one.path.endswith(("/events", "/subtitles"))]
TYPES = ("application/json", "application/json", "application/json", "audio/wav", "text/plain")


few = st.integers(-2000, 12_000)
values = st.fixed_dictionaries(
    {
        "by_ms": few, "start_ms": few, "end_ms": few, "at_ms": few, "at": st.integers(0, 30),
        "on": st.booleans(), "done": st.booleans(), "status": st.sampled_from(["draft", "approved", "needs-work"]),
        "number": st.integers(0, 4), "id": st.integers(0, 4), "frames": st.integers(-9, 9), "keys": st.just("all"),
        "with": words, "kind": st.sampled_from(["picture", "text", "title"]), "text": words, "case": st.booleans(),
        "whole_word": st.booleans(), "place": st.integers(0, 6),
    }
)  # fmt: skip


def test_every_kind_of_edit_is_tried() -> None:
    assert set(SHAPES) == set(openapi()["paths"]["/api/p/{pid}/edits"]["post"]["requestBody"]["content"][
        "application/json"]["schema"]["discriminator"]["mapping"])  # fmt: skip


def an_edit(data: st.DataObject, there: list[dict[str, Any]]) -> dict[str, Any]:
    """An edit of which the shape is right, for some row that is there."""
    op, drawn = data.draw(st.sampled_from(sorted(SHAPES))), data.draw(values)
    left_out = data.draw(st.sets(st.sampled_from(sorted(drawn))))
    # What is drawn must not depend on what is there, which each request changes.
    row = there[data.draw(st.integers(0, 50)) % len(there)] if there else {"key": "cue-1", "version": "0"}
    known = drawn | {"key": row["key"], "version": row["version"]}
    fields = {name for name, needed in SHAPES[op].items() if name in known and (needed or name not in left_out)}
    return {"op": op, **{name: known[name] for name in fields}}


def is_jobless(path: str, body: Any) -> bool:
    """Work that would start a process has tests of its own."""
    return not (path.endswith(("/jobs", "/ask", "/again", "/speak", "/api/projects")) or "recordings" in path)


FEW, MANY = 250, 5000
"""How many of each are sent: together 500, and 10,000 in `make long`."""


def each_of(number: int) -> Any:
    return settings(max_examples=number, deadline=None, suppress_health_check=list(HealthCheck))


@each_of(FEW)
@given(data=st.data())
def test_no_request_ends_in_a_fault(client: TestClient, pid: str, data: st.DataObject) -> None:
    one_request(client, pid, data)


@pytest.mark.long
@pytest.mark.timeout(3600)
@each_of(MANY)
@given(data=st.data())
def test_thousands_of_requests_and_no_fault(client: TestClient, pid: str, data: st.DataObject) -> None:
    one_request(client, pid, data)


def test_nobody_gets_in(client: TestClient, root: Path, pid: str) -> None:
    attack(client, root, pid, FEW)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_thousands_try_and_nobody_gets_in(client: TestClient, root: Path, pid: str) -> None:
    attack(client, root, pid, MANY)


def attack(client: TestClient, root: Path, pid: str, number: int) -> None:
    """Requests that have to be refused, each for a reason of its own; none is told anything, nothing is changed."""
    (root / "secret.txt").write_text(SECRET)
    before, files = rows(client, pid), sizes(root)

    @each_of(number)
    @given(data=st.data())
    def tries(data: st.DataObject) -> None:
        one_attack(client, pid, data)

    tries()
    assert rows(client, pid) == before
    assert sizes(root) == files


def sizes(root: Path) -> dict[Path, int]:
    """The bytes of each file, but those of SQLite beside a database, which are there while the page holds it open."""
    found = {path: path.stat().st_size for path in root.rglob("*") if path.is_file()}
    return {path: size for path, size in found.items() if not path.name.endswith(("-shm", "-wal"))}


SECRET = "kept-from-everybody"
STRANGE_HOSTS = ("evil.example", f"evil.example:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT + 1}", f"127.0.0.1.evil:{PORT}",
                 f"[::1]:{PORT}", f"127.0.0.1:{PORT}.evil", f"localhost:{PORT}@evil", "")  # fmt: skip
STRANGE_ORIGINS = ("null", "", "http://evil.example", f"http://127.0.0.1:{PORT + 1}", f"https://127.0.0.1:{PORT}",
                   f"http://127.0.0.1:{PORT}.evil", f"http://127.0.0.1:{PORT}/",
                   f"http://evil@127.0.0.1:{PORT}")  # fmt: skip
CLIMBS = ("%2e%2e", "..%2f..%2f", "..%5c", "%2e%2e%2fsecret.txt", "..%2fsecret.txt", "%2fetc%2fpasswd", "....//",
          "secret.txt", "%00", "film.calvin", "project.sqlite", "..%252f")  # fmt: skip
LEADING = ("/p/{}/", "/api/p/{}", "/api/p/{}/rows", "/media/p/{}/film", "/media/p/{pid}/download/{}", "/static/{}",
           "/media/p/{pid}/still/{}", "/api/p/{pid}/rows/{}", "/api/p/{pid}/jobs/{}")  # fmt: skip
# Header values are ASCII here, since a client sends no others; what lies beyond is for the tests of the guard.
header_words = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)
hosts = st.one_of(st.sampled_from(STRANGE_HOSTS), header_words.filter(lambda t: t.lower() not in OURS))
origins = st.one_of(st.sampled_from(STRANGE_ORIGINS), header_words.filter(lambda t: t not in OUR_ORIGINS))
OURS = (f"127.0.0.1:{PORT}", f"localhost:{PORT}")
OUR_ORIGINS = tuple(f"http://{host}" for host in OURS)


WRITES = [one for one in ENDPOINTS if one.method == "POST" and one.body is not None]
shapeless = st.one_of(
    odd.filter(lambda value: not isinstance(value, dict)),
    st.lists(odd, max_size=3),
    st.dictionaries(words.filter(lambda text: text not in NAMES), odd, min_size=1, max_size=4),
)
"""What no address takes for a body."""


def one_attack(client: TestClient, pid: str, data: st.DataObject) -> None:
    """One request that is wrong in one way, at some address; everything else about it is right."""
    one = data.draw(st.sampled_from(ENDING))
    path, method, sent = address(one, pid), one.method, {}
    content = jsoned({"op": "delete", "key": "cue-1", "version": "0"}) if method in KINDS else b""
    if method in KINDS:
        sent["content-type"] = KINDS[method][0]
    way = data.draw(st.sampled_from(["host", "origin", "site", "token", "kind", "climb", "size", "type"]))
    refused: tuple[int, ...] = (403,)
    if way == "host":
        sent["host"] = data.draw(hosts)
    elif way == "origin":
        sent["origin"] = data.draw(origins)
    elif way == "site":
        sent["sec-fetch-site"] = data.draw(st.sampled_from(["cross-site", "same-site", "", "Same-Origin"]))
        path = path if path != "/" else f"/p/{pid}/"  # the list may be led to from elsewhere; it takes a cookie
    elif way == "token":
        path = path if path.startswith("/api/") and not path.endswith("/log.csv") else f"/api/p/{pid}/rows"
        sent[TOKEN_HEADER] = data.draw(header_words.filter(lambda text: text != TOKEN))
    elif way == "kind":
        path, method, refused = address(data.draw(st.sampled_from(WRITES)), pid), "POST", (415,)
        kinds = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonx"]
        sent["content-type"] = data.draw(st.sampled_from(kinds))
    elif way == "climb":
        up = "".join(data.draw(st.lists(st.sampled_from(CLIMBS), min_size=1, max_size=4)))
        path, method, refused = data.draw(st.sampled_from(LEADING)).format(up, pid=pid), "GET", (400, 404, 405, 422)
        content = b""
    else:
        path, method = address(data.draw(st.sampled_from(WRITES)), pid), "POST"
        sent["content-type"] = "application/json"
        refused = (413,) if way == "size" else (422,)
        content = b" " * (MAX_JSON + data.draw(st.integers(1, 5000))) if way == "size" else jsoned(data.draw(shapeless))
    answer = client.request(method, path, content=content, headers=sent)
    assert answer.status_code in refused, (way, method, path, sent, content[:200], answer.text[:300])
    assert SECRET not in answer.text
    assert "root:" not in answer.text
    if path.startswith("/api/") and answer.status_code != 405:
        assert answer.json()["error"]


def one_request(client: TestClient, pid: str, data: st.DataObject) -> None:
    """A request to some address, with anything for its parts, its query and its body."""
    one = data.draw(st.sampled_from(ENDING))
    path = address(one, data.draw(st.one_of(st.just(pid), words.filter(lambda text: "/" not in text)).map(quoted)))
    if "cue-1" in path:
        path = path.replace("cue-1", quoted(data.draw(odd.map(str))))
    method = data.draw(st.sampled_from([one.method, one.method, one.method, "GET", "POST", "DELETE", "PUT"]))
    kind = data.draw(st.sampled_from(TYPES))
    query = data.draw(st.dictionaries(st.sampled_from(NAMES), words, max_size=3))
    content = data.draw(st.one_of(bodies.map(jsoned), st.binary(max_size=50)))
    if one.path.endswith("/edits"):
        content = jsoned(an_edit(data, rows(client, pid)))
    if not is_jobless(path, content) and method != "GET":
        content = data.draw(st.binary(max_size=50))
    sent = {"content-type": kind} if method in ("POST", "PUT") else {}
    answer = client.request(method, path, params=query, content=content, headers=sent)
    assert answer.status_code < 500, (method, path, query, content, answer.text)
    if answer.status_code >= 400 and path.startswith("/api/"):
        assert answer.json()["error"]


def quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def jsoned(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")
