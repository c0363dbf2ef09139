"""A server that speaks the OpenAI API, as vLLM, llama.cpp, Ollama and others do: `openai:http://host:port/v1#name`.

Frames leave this process, so the rules are strict: http(s) only, no password in the address, no redirects, a key from
the environment only and never in the clear to another machine, a cap on what is read of an answer.
"""

from __future__ import annotations

import ipaddress
import json
import math
import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from calvin.captioners.answers import to_answer
from calvin.captioners.base import CaptionAnswer, CaptionerInfo, CaptionRequest, Need, OpenOptions
from calvin.captioners.messages import MAX_NEW_TOKENS, Message, build_message, fingerprint, stills
from calvin.core.errors import ServerError, UsageError

KEY = "CALVIN_API_KEY"
"""The environment variable that holds the server's key, where it wants one."""
FRAMES = 8
"""Stills per scene; servers limit the images per request."""
MAX_FRAMES = 64
MAX_ANSWER = 1 << 20
"""Bytes of a response that are read."""
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that may pass in a moment."""
KEPT = "What is described so far is kept: give the same command again to go on."


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is and what it calls the model."""

    url: str
    model: str
    local: bool

    @classmethod
    def parse(cls, text: str | None) -> Address:
        """`http://host:port/v1#name`.

        Raises:
            UsageError: another scheme, a password, a query, no host or no name.
        """
        form = "write openai:http://HOST:PORT/v1#MODEL"
        try:
            parts = urlsplit(text or "")
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"{text!r} is not an address ({error}): {form}.") from error
        if parts.scheme not in ("http", "https") or not host:
            raise UsageError(f"{text or 'Nothing'} is not the address of a model server: {form}.")
        if "@" in parts.netloc or parts.query:
            raise UsageError(f"The address of a model server holds no password and no query: put the key in {KEY}.")
        if not parts.fragment.strip():
            raise UsageError(f"Which model of {host}: {form}.")
        return cls(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", parts.fragment.strip(), _is_local(host))

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


class Server:
    """The model of a server, as a captioner.

    Args:
        key: sent as a bearer token.
        frames: the most stills per scene.
        together: requests under way at once.
        tries: how often a request is made before it is given up.
        wait_s: before the second try; doubled for each further one.
        timeout_s: without a byte of an answer, and for a whole answer.
    """

    def __init__(
        self,
        address: Address,
        key: str | None = None,
        frames: int | None = None,
        together: int = 4,
        tries: int = 5,
        wait_s: float = 1.0,
        timeout_s: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if key and not address.local and not address.url.startswith("https:"):
            raise UsageError(f"The key in {KEY} would go to {address.host} in the clear: use https, or unset it.")
        self.address = address
        self.frames = min(frames or FRAMES, MAX_FRAMES)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._together, self._tries = together, tries
        self._wait_s, self._timeout_s, self._sleep = wait_s, timeout_s, sleep

    @property
    def info(self) -> CaptionerInfo:
        where = "" if self.address.local else f"Stills of the film are sent to {self.address.host}."
        details = {"server": self.address.url, "frames": str(self.frames)}
        known = fingerprint(self.address.model, server=self.address.url, frames=self.frames)
        return CaptionerInfo(self.address.model, known, where, details)

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"frames"})

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        """One answer per request, cleaned; its score is not known (0).

        Raises:
            DataError: a scene without stills.
            ServerError: the server cannot be reached, refuses, or goes on answering with nonsense.
        """
        messages = [build_message(request, stills(request, self.frames)) for request in requests]
        with ThreadPoolExecutor(max(1, min(self._together, len(messages)))) as pool:
            return [to_answer(said) for said in pool.map(self.ask, messages)]

    def complete(self, prompt: str, max_new_tokens: int = MAX_NEW_TOKENS) -> str:
        """What the model says to a prompt, as it is; its length is the server's affair, since a model may think first.

        Raises:
            ServerError: as for `caption`.
        """
        return self.ask(Message((prompt,)))

    def ask(self, message: Message) -> str:
        """What the model says to a message, as it is.

        Raises:
            ServerError: as for `caption`.
        """
        body = {
            "model": self.address.model,
            "messages": [message.to_openai()],
            "max_tokens": MAX_NEW_TOKENS * 2,  # a server's model may begin with more words than are kept
            "temperature": 0,
            "stream": False,
        }
        client = httpx2.Client(
            headers=self._headers,
            timeout=httpx2.Timeout(self._timeout_s, connect=min(10.0, self._timeout_s)),
            follow_redirects=False,
            trust_env=not self.address.local,  # a proxy has no business between this machine and itself
        )
        with client:
            return self._answer(client, body)

    def _answer(self, client: httpx2.Client, body: dict[str, Any]) -> str:
        """Try until there is an answer, or no hope of one."""
        trouble = ""
        for attempt in range(self._tries):
            try:
                status, headers, content = self._post(client, body)
            except httpx2.TransportError as error:
                trouble = f"{type(error).__name__}{f': {error}' if str(error) else ''}"
                self._pause(attempt, None)
                continue
            if status == 200:
                said = _said(content)
                if said is not None:
                    return said
                trouble = f"no caption in its answer: {_excerpt(content)}"
            elif status in PASSING:
                trouble = f"status {status}: {_excerpt(content)}"
            else:
                raise ServerError(self._refused(status, content))
            self._pause(attempt, headers.get("retry-after"))
        raise ServerError(f"{self.address.host} gave no usable answer in {self._tries} tries ({trouble}). {KEPT}")

    def _post(self, client: httpx2.Client, body: dict[str, Any]) -> tuple[int, Any, bytes]:
        """Status, headers, and the body up to its cap; a server that drips is cut off at the time-out."""
        until = time.monotonic() + self._timeout_s
        with client.stream("POST", f"{self.address.url}/chat/completions", json=body) as response:
            content = b""
            for piece in response.iter_bytes():
                content += piece
                if len(content) > MAX_ANSWER:
                    raise httpx2.ReadError(f"an answer of more than {MAX_ANSWER} bytes")
                if time.monotonic() > until:
                    raise httpx2.ReadTimeout(f"not done after {self._timeout_s:g} seconds")
            return response.status_code, response.headers, content

    def _pause(self, attempt: int, asked: str | None) -> None:
        """Wait longer after each try, or as long as the server asks, up to a minute; not after the last."""
        if attempt + 1 == self._tries:
            return
        wait = self._wait_s * 2**attempt * random.uniform(0.75, 1.25)
        try:
            seconds = float(asked) if asked else 0.0
        except ValueError:
            seconds = 0.0  # a date: the usual wait will do
        self._sleep(min(max(wait, seconds if math.isfinite(seconds) else 0.0), 60.0))

    def _refused(self, status: int, content: bytes) -> str:
        what = {
            301: "answers from another address: name that one",
            302: "answers from another address: name that one",
            307: "answers from another address: name that one",
            308: "answers from another address: name that one",
            401: f"wants a key: put it in {KEY}",
            403: f"does not accept the key in {KEY}",
            404: f"knows no model {self.address.model}, or its address is another (most end in /v1)",
            413: "takes no request of this size: ask with fewer --frames",
        }.get(status, f"refuses (status {status})")
        return f"{self.address.host} {what}: {_excerpt(content)}. {KEPT}"


def open_server(model: str | None, options: OpenOptions) -> Server:
    """
    Raises:
        UsageError: no address of a model server.
    """
    return Server(Address.parse(model), os.environ.get(KEY) or None, options.frames)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _said(content: bytes) -> str | None:
    """The words of a completion, or None where the answer is not one. Content may come in typed parts."""
    try:
        said = json.loads(content)["choices"][0]["message"]["content"]
        if isinstance(said, list):
            said = "".join(part["text"] for part in said if part.get("type") == "text")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return said if isinstance(said, str) else None


def _excerpt(content: bytes) -> str:
    """The start of a server's answer, or the message in it, on one line."""
    text = content[:2000].decode("utf-8", "replace")
    try:
        value = json.loads(content)
        error = value.get("error", value.get("detail"))
        text = str(error.get("message") if isinstance(error, dict) else error or text)
    except (ValueError, AttributeError, RecursionError):
        pass
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split()).rstrip(".")
    return (shown[:160] + "...") if len(shown) > 160 else shown or "nothing"
