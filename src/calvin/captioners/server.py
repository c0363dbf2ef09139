"""A server that speaks the OpenAI API, as vLLM, llama.cpp, Ollama and others do: `openai:http://host:port/v1#name`.

Frames leave this process, so the rules are strict: http(s) only, no password in the address, no redirects, a key from
the environment only, never in the clear to another machine and masked in whatever comes back. What a server says is a
stranger's: as much of it is read as a caption takes, for as long as a time-out says.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import random
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2

from calvin.captioners.answers import to_answer
from calvin.captioners.base import CaptionAnswer, CaptionerInfo, CaptionRequest, Need, OpenOptions
from calvin.captioners.messages import MAX_NEW_TOKENS, Message, build_message, fingerprint, stills
from calvin.core.errors import ServerError, UsageError, first_line
from calvin.core.masking import MASK, SERVER_KEY, is_secret

FRAMES = 8
"""Stills per scene; servers limit the images per request."""
MAX_FRAMES = 64
MAX_ANSWER = 1 << 20
"""Bytes of a response that are read."""
MAX_WAIT_S = 120.0
"""The longest wait that a server may ask for between two tries."""
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that may pass in a moment."""
MOVED = "answers from another address: name that one"
KEPT = "What is described so far is kept: give the same command again to go on."

_T = TypeVar("_T")


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
        # Before anything is said about it: what cannot be read as an address may still hold a password.
        if "@" in (text or "").partition("#")[0]:
            raise UsageError(f"The address of a model server holds no password: put the key in {SERVER_KEY}.")
        try:
            parts = urlsplit(text or "")
            host, _ = parts.hostname, parts.port
            httpx2.URL(f"{parts.scheme}://{parts.netloc}{parts.path}")
        except (ValueError, httpx2.InvalidURL) as error:
            raise UsageError(f"{text!r} is not an address ({error}): {form}.") from error
        if parts.scheme not in ("http", "https") or not host:
            raise UsageError(f"{text or 'Nothing'} is not the address of a model server: {form}.")
        if parts.query:
            raise UsageError(f"The address of a model server holds no query: put the key in {SERVER_KEY}.")
        if not parts.fragment.strip():
            raise UsageError(f"Which model of {host}: {form}.")
        if not (text or "").isprintable():
            raise UsageError(f"The address {text!r} holds characters that no address has: {form}.")
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
        timeout_s: for a whole answer, from the request to its last byte.
        sleep: how the time between two tries is waited out.

    Raises:
        UsageError: a key that is none, or that would travel in the clear.
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
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        key = (key or "").strip()
        if not re.fullmatch(r"[\x21-\x7e]*", key):
            raise UsageError(f"The key in {SERVER_KEY} holds a space or a letter that no key has: copy it again.")
        if key and not address.local and not address.url.startswith("https:"):
            raise UsageError(
                f"The key in {SERVER_KEY} would go to {address.host} in the clear: use https, or unset it."
            )
        self.address = address
        self.frames = min(frames or FRAMES, MAX_FRAMES)
        self._key = key
        self._together, self._tries = together, tries
        self._wait_s, self._timeout_s, self._sleep = wait_s, timeout_s, sleep

    @property
    def info(self) -> CaptionerInfo:
        where = "" if self.address.local else f"Stills of the film are sent to {self.address.host}."
        details = {"server": self.address.url, "frames": str(self.frames)}
        known = fingerprint(self.address.model, server=self.address.url, frames=self.frames)
        return CaptionerInfo(self.address.model, known, where, details)

    reads_looks = True

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"frames"})

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        """One answer per request, cleaned; its score is not known (0).

        Raises:
            DataError: a scene without stills.
            ServerError: the server cannot be reached, refuses, or goes on answering with nonsense.
        """
        return [to_answer(said) for said in self._ask_all([build_message(r, stills(r, self.frames)) for r in requests])]

    def complete(self, prompt: str, max_new_tokens: int = MAX_NEW_TOKENS) -> str:
        """What the model says to a prompt, as it is; its length is the server's affair, since a model may think first.

        Raises:
            ServerError: as for `caption`.
        """
        return self.ask(Message((prompt,)))

    def ask(self, message: Message) -> str:
        """What the model says to a message, as it is but for the key.

        Raises:
            ServerError: as for `caption`.
        """
        return self._ask_all([message])[0]

    def _ask_all(self, messages: Sequence[Message]) -> list[str]:
        """What the model says to each message; the first trouble that lasts stops the others."""

        async def ask_all() -> list[str]:
            turns = asyncio.Semaphore(max(1, self._together))
            client = httpx2.AsyncClient(
                # No compression: a few packed bytes could be a flood.
                headers={"Accept-Encoding": "identity"}
                | ({"Authorization": f"Bearer {self._key}"} if self._key else {}),
                timeout=httpx2.Timeout(self._timeout_s, connect=min(10.0, self._timeout_s)),
                follow_redirects=False,
                trust_env=not self.address.local,  # a proxy has no business between this machine and itself
            )

            async def ask(message: Message) -> str:
                async with turns:
                    return await self._answer(client, message)

            async with client:
                asked = [asyncio.ensure_future(ask(message)) for message in messages]
                try:
                    return await asyncio.gather(*asked)
                finally:
                    for one in asked:
                        one.cancel()
                    await asyncio.gather(*asked, return_exceptions=True)

        return _finished(ask_all())

    async def _answer(self, client: httpx2.AsyncClient, message: Message) -> str:
        """Try until there is an answer, or no hope of one."""
        body = {
            "model": self.address.model,
            "messages": [message.to_openai()],
            "max_tokens": MAX_NEW_TOKENS * 2,  # a server's model may begin with more words than are kept
            "temperature": 0,
            "stream": False,
        }
        trouble = ""
        for attempt in range(self._tries):
            asked: str | None = None
            try:
                # Of the whole exchange: httpx's own time-outs begin anew with every byte of a server that drips.
                async with asyncio.timeout(self._timeout_s):
                    status, headers, content = await self._post(client, body)
            except TimeoutError:
                trouble = f"no whole answer within {self._timeout_s:g} seconds"
            except httpx2.RequestError as error:
                trouble = self._masked(f"{type(error).__name__}: {first_line(error)}")
            else:
                said = _said(content) if status == 200 else None
                if said is not None:
                    return self._masked(said)
                if status != 200 and status not in PASSING:
                    raise ServerError(self._refused(status, content))
                what = "no caption in its answer" if status == 200 else f"status {status}"
                trouble, asked = f"{what}: {self._excerpt(content)}", headers.get("retry-after")
            if attempt + 1 < self._tries:
                await self._sleep(self._wait(attempt, asked, trouble))
        raise ServerError(f"{self.address.host} gave no usable answer in {self._tries} tries ({trouble}). {KEPT}")

    async def _post(self, client: httpx2.AsyncClient, body: dict[str, Any]) -> tuple[int, Any, bytes]:
        """Status, headers, and the body up to its cap."""
        async with client.stream("POST", f"{self.address.url}/chat/completions", json=body) as response:
            content = bytearray()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > MAX_ANSWER:
                    raise httpx2.ReadError(f"an answer of more than {MAX_ANSWER} bytes")
            return response.status_code, response.headers, bytes(content)

    def _wait(self, attempt: int, asked: str | None, trouble: str) -> float:
        """Seconds to the next try: more after each, or as long as the server asks for.

        Raises:
            ServerError: it asks for more than `MAX_WAIT_S`.
        """
        wait = self._wait_s * 2**attempt * random.uniform(0.75, 1.25)
        seconds = _seconds(asked or "")
        if seconds > MAX_WAIT_S:
            raise ServerError(
                f"{self.address.host} asks for a wait of {seconds / 60:,.0f} minutes ({trouble}), and calvin "
                f"waits {MAX_WAIT_S / 60:g} at most. {KEPT}"
            )
        return max(min(wait, MAX_WAIT_S), seconds)

    def _masked(self, text: str) -> str:
        return text.replace(self._key, MASK) if is_secret(self._key) else text

    def _excerpt(self, content: bytes) -> str:
        """The start of a server's answer, or the message in it, on one line."""
        text = content.decode("utf-8", "replace")
        try:
            value = json.loads(content)
            error = value.get("error", value.get("detail"))
            text = str(error.get("message") if isinstance(error, dict) else error or text)
        except (ValueError, AttributeError, RecursionError):
            pass
        text = self._masked(text)[:2000]  # masked before it is cut, lest half a key stays
        shown = " ".join("".join(c if c.isprintable() else " " for c in text).split()).rstrip(".")
        return (shown[:160] + "...") if len(shown) > 160 else shown or "nothing"

    def _refused(self, status: int, content: bytes) -> str:
        what = {
            **dict.fromkeys((301, 302, 307, 308), MOVED),
            401: f"wants a key: put it in {SERVER_KEY}",
            403: f"does not accept the key in {SERVER_KEY}",
            404: f"knows no model {self.address.model}, or its address is another (most end in /v1)",
            413: "takes no request of this size: ask with fewer --frames",
        }.get(status, f"refuses (status {status})")
        return f"{self.address.host} {what}: {self._excerpt(content)}. {KEPT}"


def open_server(model: str | None, options: OpenOptions) -> Server:
    """
    Raises:
        UsageError: no address of a model server.
    """
    return Server(Address.parse(model), os.environ.get(SERVER_KEY), options.frames)


def _finished(work: Coroutine[Any, Any, _T]) -> _T:
    """What a coroutine gives; Ctrl-C ends it at once. Inside another event loop, as in a notebook, a thread runs it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def _seconds(asked: str) -> float:
    """A Retry-After, in seconds or as a date, as seconds from now; 0 where it is neither or past."""
    try:
        seconds = float(asked) if asked[:1].isdigit() else parsedate_to_datetime(asked).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
    return max(seconds, 0.0)


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
    # Half a surrogate pair is what a token limit leaves of an emoji; no file could hold it.
    return said.encode("utf-8", "ignore").decode() if isinstance(said, str) else None
