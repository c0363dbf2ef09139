"""Who is let in, and what every answer carries."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from calvin.page.application import ENDPOINTS, Endpoint, create_app
from calvin.page.guard import HEADERS, TOKEN_HEADER, Admission
from calvin.page.workshop import Workshop

from .conftest import PORT, TOKEN

HERE = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def stranger(workshop: Workshop) -> TestClient:
    """Somebody who has neither token nor cookie."""
    return TestClient(create_app(workshop), base_url=HERE, follow_redirects=False)


def address(one: Endpoint, pid: str) -> str:
    values = {"pid": pid, "key": "cue-1", "number": "1", "ms:int": "0", "start:int": "0", "end:int": "9", "id": "1"}
    values["choice"] = "none"
    path = one.path
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path
    return path


def test_nothing_answers_without_token_or_cookie(stranger: TestClient, pid: str) -> None:
    for one in ENDPOINTS:
        answer = stranger.request(one.method, address(one, pid))
        assert (answer.status_code, "token" in answer.text) == (403, True), one


@pytest.mark.parametrize("host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT + 1}", ""])
def test_another_host_is_refused_whatever_it_brings(client: TestClient, pid: str, host: str) -> None:
    """DNS rebinding: the browser believes to be at another place."""
    for one in ENDPOINTS:
        assert client.request(one.method, address(one, pid), headers={"host": host}).status_code == 403, one


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"LOCALHOST:{PORT}"])
def test_this_machine_is_let_in_by_both_of_its_names(client: TestClient, host: str) -> None:
    assert client.get("/api/projects", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", f"https://127.0.0.1:{PORT}", f"http://127.0.0.1:{PORT + 1}", "null", f"{HERE}/", ""],
)
def test_another_origin_is_refused_whatever_it_brings(client: TestClient, pid: str, origin: str) -> None:
    """Forged requests: another page of the same browser asks, and the browser says so."""
    for one in ENDPOINTS:
        assert client.request(one.method, address(one, pid), headers={"origin": origin}).status_code == 403, one


@pytest.mark.parametrize("site", ["cross-site", "same-site", "sideways"])
def test_what_the_browser_says_comes_from_elsewhere_is_refused(client: TestClient, pid: str, site: str) -> None:
    """Pictures and scripts are asked for without an Origin; SameSite cookies take other ports for the same site."""
    asked = {"sec-fetch-site": site}
    assert client.get(f"/media/p/{pid}/film", headers=asked).status_code == 403
    assert client.get("/api/projects", headers=asked).status_code == 403
    assert client.get("/api/projects", headers={"sec-fetch-site": "same-origin"}).status_code == 200


def test_the_cookie_alone_reads_media_but_no_data(stranger: TestClient, workshop: Workshop, pid: str) -> None:
    stranger.cookies.set(workshop.admission.cookie_name, workshop.admission.cookie)
    assert stranger.get(f"/media/p/{pid}/still/0.jpg").status_code == 200
    assert stranger.get(f"/api/p/{pid}/log.csv").status_code == 200
    assert stranger.get(f"/api/p/{pid}").status_code == 403
    assert stranger.post(f"/api/p/{pid}/undo", json={}).status_code == 403
    assert stranger.request("DELETE", f"/api/p/{pid}/jobs/1").status_code == 403


def test_the_cookie_is_not_the_token(workshop: Workshop) -> None:
    """Servers at other ports of this machine are sent it too."""
    admission = workshop.admission
    assert not admission.is_token(admission.cookie)
    assert TOKEN not in admission.cookie
    assert Admission(PORT, "another").cookie != admission.cookie
    assert Admission(PORT + 1, TOKEN).cookie_name != admission.cookie_name


def test_the_address_with_the_token_sets_the_cookie_and_loses_the_token(
    stranger: TestClient, workshop: Workshop
) -> None:
    answer = stranger.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{workshop.admission.cookie_name}={workshop.admission.cookie};")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


@pytest.mark.parametrize(
    "query", ["token=", "token=wrong", f"token={TOKEN}x", f"token={TOKEN}&token={TOKEN}", "xtoken=1"]
)
def test_a_wrong_token_sets_no_cookie(stranger: TestClient, query: str) -> None:
    answer = stranger.get(f"/?{query}")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_writes_are_json_alone(client: TestClient, pid: str, kind: str | None) -> None:
    """A form of another page can send these kinds without asking."""
    headers = {"content-type": kind} if kind else {}
    answer = client.post(f"/api/p/{pid}/edits", content=b'{"op":"delete"}', headers=headers)
    assert answer.status_code == 415


def test_two_tokens_are_none(client: TestClient) -> None:
    pair = [(TOKEN_HEADER, TOKEN), (TOKEN_HEADER, "another")]
    assert client.get("/api/projects", headers=pair).status_code == 403


@pytest.mark.parametrize("method", ["OPTIONS", "PATCH", "TRACE", "CONNECT"])
def test_other_methods_do_nothing_and_no_other_page_gets_leave(client: TestClient, pid: str, method: str) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": TOKEN_HEADER}
    answer = client.request(method, f"/api/p/{pid}/edits", headers=asked)
    assert answer.status_code == 405
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize("path", ["/api/projects", "/nowhere", "/static/nothing.js", "/?token=x"])
def test_every_answer_carries_the_headers_that_protect_it(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "'unsafe" not in answer.headers["content-security-policy"]


def test_a_socket_is_closed(client: TestClient) -> None:
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/api/projects"):
        pass
