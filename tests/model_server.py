"""A model server for tests, over real HTTP: it answers as it is told to, and remembers what it was asked."""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from calvin.captioners.messages import PROBE

Play = Callable[[BaseHTTPRequestHandler], None]
"""How one request is answered."""


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def says(text: Any, finish: str = "stop", **message: Any) -> Play:
    choice = {"message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    body = json.dumps({"choices": [choice]}).encode()
    return lambda handler: send(handler, 200, body)


def status(code: int, body: str = '{"error": {"message": "told to"}}', **headers: str) -> Play:
    return lambda handler: send(handler, code, body.encode(), **headers)


def slowly(seconds: float, then: Play) -> Play:
    def play(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        then(handler)

    return play


def drip(pause_s: float) -> Play:
    """A byte now and then: never silent for long, never done."""

    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(pause_s)

    return play


def drip_headers(handler: BaseHTTPRequestHandler) -> None:
    """A header now and then, and never the last."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(200):
        handler.wfile.write(f"X-{number}: 1\r\n".encode())
        handler.wfile.flush()
        time.sleep(0.1)


def interim(handler: BaseHTTPRequestHandler) -> None:
    """Word that the answer is on its way, again and again."""
    for _ in range(200):
        handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        handler.wfile.flush()
        time.sleep(0.1)


def cut_short(handler: BaseHTTPRequestHandler) -> None:
    """Less than was promised, then the line is dropped."""
    handler.send_response(200)
    handler.send_header("Content-Length", "500")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"message": {"content": "A man wa')
    handler.close_connection = True


@dataclass
class ModelServer:
    """Plays `script` one request after the other, and `default` when it is over.

    The question that only sees whether it is there is answered by `probe` and not remembered; its list of models is
    `models` (None: it has no list).
    """

    default: Play
    script: list[Play] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    probe: Play = field(default_factory=lambda: says("Red."))
    models: tuple[str, ...] | None = ("tiny",)
    probed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, body: dict[str, Any], headers: dict[str, str]) -> Play:
        with self.lock:
            if PROBE in json.dumps(body):
                self.probed += 1
                return self.probe
            self.asked.append(body)
            self.headers.append(headers)
            return self.script.pop(0) if self.script else self.default

    @property
    def model(self) -> str:
        return f"openai:{self.url}#tiny"


def problem_of(body: Any) -> str | None:
    """What a strict server would refuse in a request for a chat completion, or None."""
    if not isinstance(body, dict) or not isinstance(body.get("model"), str) or body.get("stream"):
        return "no model"
    if [message.get("role") for message in body.get("messages", [])] != ["user"]:
        return "not one user message"
    for part in body["messages"][0]["content"]:
        if part.get("type") == "text" and isinstance(part.get("text"), str):
            continue
        url = part.get("image_url", {}).get("url", "") if part.get("type") == "image_url" else ""
        try:
            if not base64.b64decode(url.removeprefix("data:image/jpeg;base64,"), validate=True).startswith(b"\xff\xd8"):
                return "no JPEG"
        except binascii.Error:
            return "no base64"
    return None


@contextmanager
def running(default: Play | None = None, *script: Play) -> Iterator[ModelServer]:
    server = ModelServer(default or says("A man walks."), list(script))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.body = body
            play = server.take(body, dict(self.headers))
            problem = "no such path" if self.path != "/v1/chat/completions" else problem_of(body)
            try:
                (status(400, json.dumps({"error": problem})) if problem else play)(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def do_GET(self) -> None:
            if self.path != "/v1/models" or server.models is None:
                return send(self, 404, b"404 page not found")
            listed = [{"id": name, "object": "model"} for name in server.models]
            return send(self, 200, json.dumps({"object": "list", "data": listed}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
