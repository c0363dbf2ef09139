"""Who is let in: this machine's browser alone, and only from the page that was opened with this run's token.

Against DNS rebinding the Host has to be exact; against forged requests the Origin has to be the page's own and a header
carries the token, which no other page can send without being asked about first (and it never gets leave). The cookie
serves where a browser sends no headers: pages, films, sounds, downloads. It is another word than the token, since
servers on other ports of this machine see it too.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-calvin-token"
CONTENT_SECURITY = (
    "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
"""What goes with every answer."""
READS = ("GET", "HEAD")
KINDS = {
    "POST": ("application/json",),
    "PUT": (
        *("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"),
        *("image/png", "image/jpeg", "application/x-subtitles"),
    ),
}
"""The kinds of body that may be sent."""


@dataclass(frozen=True)
class Admission:
    """What a request has to show: the address of the page, and the token of this run."""

    port: int
    token: str
    hosts: frozenset[str] = field(init=False)
    origins: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        names = [f"{name}:{self.port}" for name in ("127.0.0.1", "localhost")]
        object.__setattr__(self, "hosts", frozenset(names))
        object.__setattr__(self, "origins", frozenset(f"http://{name}" for name in names))

    @property
    def address(self) -> str:
        """Where the page is opened."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    @property
    def cookie_name(self) -> str:
        """Cookies know no ports: two servers have to call theirs differently."""
        return f"calvin-{self.port}"

    @property
    def cookie(self) -> str:
        return hmac.new(self.token.encode(), b"cookie of the review page", hashlib.sha256).hexdigest()

    def is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def has_cookie(self, headers: Headers) -> bool:
        for line in headers.getlist("cookie"):
            for pair in line.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == self.cookie_name and hmac.compare_digest(
                    value.encode("utf-8", "replace"), self.cookie.encode()
                ):
                    return True
        return False


class _Refused(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Guard:
    """Lets requests through to an application, or answers them with why not."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        dressed = _with_headers(send, scope["path"])
        try:
            self._check(scope)
        except _Refused as refused:
            await _refuse(dressed, scope["path"], refused)
            return
        if scope["path"] == "/" and scope["method"] in READS and b"token=" in scope["query_string"]:
            await self._open(scope, dressed)
            return
        await self._app(scope, receive, dressed)

    def _check(self, scope: Scope) -> None:
        headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
        admission = self._admission
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in admission.hosts:
            raise _Refused(403, f"This page answers at http://127.0.0.1:{admission.port} alone.")
        origins = headers.getlist("origin")
        if any(origin not in admission.origins for origin in origins):
            raise _Refused(403, "Another page asked for this, and only this page's own requests are answered.")
        if path.startswith("/static/"):
            return
        opening = path == "/" and method in READS
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") and not opening:
            raise _Refused(403, "Another page asked for this, and only this page's own requests are answered.")
        if opening and b"token=" in scope["query_string"]:
            return
        self._check_token(headers, method, path)
        if method not in READS and method in KINDS:
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind not in KINDS[method]:
                raise _Refused(415, f"A {method} has to be sent as {' or '.join(KINDS[method])}.")

    def _check_token(self, headers: Headers, method: str, path: str) -> None:
        """
        Raises:
            _Refused: neither the token nor, where that is enough, the cookie is right.
        """
        tokens = headers.getlist(TOKEN_HEADER)
        if len(tokens) == 1 and self._admission.is_token(tokens[0]):
            return
        by_cookie = method in READS and (not path.startswith("/api/") or path.endswith("/log.csv"))
        if not (by_cookie and self._admission.has_cookie(headers)):
            raise _Refused(
                403, "The page was opened by an earlier run or without its token: open the address that calvin printed."
            )

    async def _open(self, scope: Scope, send: Send) -> None:
        """The token in the address becomes a cookie, and the address a bare one."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])
        if len(given) != 1 or not self._admission.is_token(given[0]):
            why = "The token in this address is not of this run: open the address that calvin printed."
            await _refuse(send, "/", _Refused(403, why))
            return
        cookie = f"{self._admission.cookie_name}={self._admission.cookie}; Path=/; HttpOnly; SameSite=Strict"
        await _answer(send, 303, {"location": "/", "set-cookie": cookie}, "")


def _with_headers(send: Send, path: str) -> Send:
    """Sends answers with the headers that every one of them has."""

    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-cache" if path.startswith("/static/") else "no-store")
        await send(message)

    return dressed


async def _refuse(send: Send, path: str, refused: _Refused) -> None:
    """Say why in a sentence: as JSON to the page's own code, as text to whoever opens an address."""
    if path.startswith("/api/"):
        text, kind = json.dumps({"error": refused.why}), "application/json"
    else:
        text, kind = f"{refused.why}\n", "text/plain; charset=utf-8"
    await _answer(send, refused.status, {"content-type": kind}, text)


async def _answer(send: Send, status: int, headers: dict[str, str], text: str) -> None:
    body = text.encode()
    named = {**headers, "content-length": str(len(body))}
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
