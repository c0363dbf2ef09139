"""A server that speaks the OpenAI API, as vLLM, llama.cpp, Ollama and others do: `openai:http://host:port/v1#name`.

Frames leave this process, so the rules are strict: http(s) only, no password in the address, no redirects, a key from
the environment only, never in the clear to another machine and masked in whatever comes back. What a server says is a
stranger's: as much of it is read as a caption takes, for as long as a time-out says.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from calvin.captioners.answers import to_answer
from calvin.captioners.base import CaptionAnswer, CaptionerInfo, CaptionRequest, Need, OpenOptions
from calvin.captioners.messages import (
    HARMLESS,
    MAX_NEW_TOKENS,
    WHOLE,
    Message,
    build_message,
    fingerprint,
    probe_message,
    stills,
)
from calvin.captioners.server_address import Address
from calvin.captioners.server_http import Line, finished, seconds_asked
from calvin.captioners.server_replies import (
    CUT,
    REFUSES,
    THINKING,
    Reply,
    Terms,
    is_blind,
    is_loading,
    is_too_large,
    is_too_long,
    is_unfinished,
    knows,
    lacks_memory,
    model_ids,
    other_terms,
    read_reply,
    trouble_of,
)
from calvin.core.errors import ServerError, UsageError, first_line
from calvin.core.masking import SERVER_KEY
from calvin.core.progress import Listener, Progress, silent
from calvin.core.text_tables import counted

FRAMES = 8
"""Stills per scene; servers limit the images per request."""
MAX_FRAMES = 64
MAX_WAIT_S = 120.0
"""The longest wait that a server may ask for between two tries."""
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that may pass in a moment."""
BUDGETS = (MAX_NEW_TOKENS * 2, 1024, 4096)
"""Tokens that an answer may take, one after the other where it is cut off: a model may think before it answers."""
AGAIN = 2
"""How often a model is asked again that refuses, says nothing or half a sentence."""
MISSES = 5
"""Scenes in a row without a caption after which a model is given up."""
UNREADY_S, LOADING_S = 300.0, 900.0
"""How long a server is waited for that is not ready (status 503), or that says that it is loading its model."""
MOVED = "answers from another address: name that one"
KEPT = "What is described so far is kept: give the same command again to go on."


@dataclass(frozen=True, slots=True)
class _Said:
    """The words of an answer, and why they hold no caption ("": they do)."""

    text: str
    trouble: str = ""


Build = Callable[[int, str], Message]
"""From the most stills, and a sentence to add, to the message."""


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
        self._line = Line(address, key, timeout_s)
        self._together, self._tries = together, tries
        self._wait_s, self._timeout_s, self._sleep = wait_s, timeout_s, sleep
        # What was found out about the server, for the run: its terms, how many tokens its model takes to answer.
        self._terms, self._budget, self._missed = Terms(stills=self.frames), 0, 0
        self._ready = False
        self._listener: Listener = silent
        self._remarks: dict[str, None] = {}

    @property
    def info(self) -> CaptionerInfo:
        where = "" if self.address.local else f"Stills of the film are sent to {self.address.host}."
        details = {"server": self.address.url, "frames": str(self._terms.stills)}
        known = fingerprint(self.address.model, server=self.address.url, frames=self.frames)
        return CaptionerInfo(self.address.model, known, where, details)

    reads_looks = True

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"frames"})

    @property
    def remarks(self) -> tuple[str, ...]:
        """What there is to say of the server, in sentences for whoever reads the captions."""
        return tuple(self._remarks)

    def ready(self, listener: Listener = silent) -> None:
        """See, once, that the server is there, has the model, and takes pictures; how long it loads goes to `listener`.

        Raises:
            ServerError: it is not, has not or does not, with the models that it has.
        """
        if not self._ready:
            self._listener = listener
            finished(self._check())
            self._ready = True

    async def _check(self) -> None:
        host, model = self.address.host, self.address.model
        async with self._line.client() as client:
            ids: tuple[str, ...] | None = None
            try:
                status, _, content = await self._line.exchange(client, "GET", "/models", None, 10.0)
                ids = model_ids(content) if status == 200 else None
            except httpx2.ConnectError as error:
                if self.address.local:
                    raise ServerError(
                        f"No model server answers at {host} ({first_line(error)}): start it (Ollama: `ollama serve`), "
                        "or name another model that `calvin models` lists."
                    ) from error
            except (TimeoutError, httpx2.RequestError):
                pass  # the question will tell
            has = f"it has {_some([self._line.masked(one) for one in ids])}" if ids else "it has none"
            try:
                await self._answer(client, lambda count, more: probe_message(), judged=False)
            except ServerError as error:
                if ids is not None and not knows(ids, model) and error.status in (400, 404, 422):
                    raise ServerError(
                        f"{host} has no model {model}: {has}; write its name behind the # of --model."
                    ) from error
                raise
            if ids and not knows(ids, model):
                self._remarks[f"{host} lists no model {model} ({has}), and answered all the same."] = None

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        """One answer per request, cleaned; its score is not known (0). One without words says why (`trouble`).

        Raises:
            DataError: a scene without stills.
            ServerError: the server cannot be reached, refuses, or goes on answering with nonsense or nothing.
        """

        def builder(request: CaptionRequest) -> Build:
            stills(request, 1)
            return lambda count, more: build_message(request, stills(request, min(count, self.frames)), more)

        answers = []
        for request, said in zip(requests, self._run([builder(request) for request in requests], True), strict=True):
            answer = to_answer(said.text)
            if said.trouble:
                answer = replace(answer, text="", candidates=("",), said=said.text, trouble=f"it {said.trouble}")
            if request.max_words is None:
                self._missed = self._missed + 1 if said.trouble else 0
            answers.append(answer)
            if self._missed >= MISSES:
                raise ServerError(
                    f"{self.address.model} gave no caption for {MISSES} scenes in a row (it {said.trouble}): ask "
                    f"another model, or mend the server. {KEPT}"
                )
        return answers

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
        def builder(message: Message) -> Build:
            return lambda count, more: message

        return [said.text for said in self._run([builder(message) for message in messages], False)]

    def _run(self, builds: Sequence[Build], judged: bool) -> list[_Said]:
        """What the model says to each message; the first trouble that lasts stops the others."""

        async def ask_all() -> list[_Said]:
            turns = asyncio.Semaphore(max(1, self._together))

            async def ask(build: Build) -> _Said:
                async with turns:
                    return await self._answer(client, build, judged)

            async with self._line.client() as client:
                asked = [asyncio.ensure_future(ask(build)) for build in builds]
                try:
                    return await asyncio.gather(*asked)
                finally:
                    for one in asked:
                        one.cancel()
                    await asyncio.gather(*asked, return_exceptions=True)

        return finished(ask_all())

    async def _answer(self, client: httpx2.AsyncClient, build: Build, judged: bool) -> _Said:
        """Ask until there is a caption, or no hope of one; where it is not `judged`, any words will do."""
        budget, again, more = self._budget, 0, ""
        while True:
            reply = await self._reply(client, build, more, budget)
            trouble = trouble_of(reply, last=budget + 1 == len(BUDGETS)) if judged else ""
            if not judged or not trouble:
                self._budget = max(self._budget, budget) if judged else self._budget
                return _Said(reply.text)
            if trouble in (THINKING, CUT):
                budget += 1
                if budget == len(BUDGETS):
                    return _Said(reply.text, trouble)
            elif again == AGAIN:
                return _Said(reply.text, trouble)
            else:
                again, more = again + 1, HARMLESS if trouble == REFUSES else WHOLE

    async def _reply(self, client: httpx2.AsyncClient, build: Build, more: str, budget: int) -> Reply:
        """One reply to a question, tried again while there is trouble that may pass.

        Raises:
            ServerError: trouble that lasts, or a refusal.
        """
        trouble, tries, waits, waited = "", 0, 0, 0.0
        while True:
            asked: str | None = None
            terms, message = self._terms, build(self._terms.stills, more)
            # Of the whole exchange: httpx's own time-outs begin anew with every byte of a server that drips.
            limit_s = self._timeout_s * max(1, BUDGETS[budget] // 512)
            try:
                body = self._body(message, terms, budget)
                status, headers, content = await self._line.exchange(client, "POST", "/chat/completions", body, limit_s)
            except TimeoutError:
                trouble = f"no whole answer within {limit_s:g} seconds"
            except httpx2.RequestError as error:
                trouble = self._line.masked(f"{type(error).__name__}: {first_line(error)}")
            else:
                reply = read_reply(content) if status == 200 else None
                if reply is not None:
                    return replace(reply, text=self._line.masked(reply.text))
                what = "no caption in its answer" if status == 200 else f"status {status}"
                trouble, asked = f"{what}: {self._line.excerpt(content)}", headers.get("retry-after")
                words = content.decode("utf-8", "replace")
                loads = is_loading(words, surely=status != 503)
                if (status == 503 or (loads and reply is None)) and waited < (LOADING_S if loads else UNREADY_S):
                    wait = max(min(self._wait(waits, asked, trouble), 10.0), seconds_asked(asked or ""))
                    waits, waited = waits + 1, waited + wait
                    self._listener(Progress("waiting for the model server", round(waited), unit="s", detail=trouble))
                    await self._sleep(wait)
                    continue
                if status != 200:
                    settled = self._settled(status, words, content, terms, message, budget)
                    if settled is not None:
                        return settled
                    if terms is not self._terms:
                        continue
            tries += 1
            if tries >= self._tries:
                raise ServerError(f"{self.address.host} gave no usable answer in {tries} tries ({trouble}). {KEPT}")
            await self._sleep(self._wait(tries - 1, asked, trouble))

    def _settled(
        self, status: int, words: str, content: bytes, terms: Terms, message: Message, budget: int
    ) -> Reply | None:
        """What a refusal comes to: a reply that was cut off, or None for another try, perhaps on other terms.

        Raises:
            ServerError: neither would help.
        """
        if is_unfinished(words) or (budget and is_too_large(words)):
            return Reply("", cut=True)
        shown = len(message.frames)
        if shown and is_blind(words):
            raise ServerError(
                f"{self.address.model} of {self.address.host} takes no pictures ({self._line.excerpt(content)}): "
                "name a model that sees."
            )
        if lacks_memory(words):
            raise ServerError(
                f"{self.address.host} has too little memory for {self.address.model} ({self._line.excerpt(content)}): "
                "name a smaller model of it, or end what else takes memory there."
            )
        if terms != self._terms:
            return None  # another question has learnt better terms in the meantime
        passes = status in PASSING and status != 500  # "too many tokens" of status 429 are those of a minute
        other = None if passes else other_terms(terms, words, shown, size=status == 413)
        if other is not None:
            if other.stills < terms.stills:
                self._remarks = {key: None for key in self._remarks if "stills of a scene" not in key}
                what = f"at most {counted(other.stills, 'picture')} in a question"
                self._remarks[
                    f"{self.address.host} takes {what}: the model saw no more stills of a scene (as with --frames "
                    f"{other.stills})."
                ] = None
            self._terms = other
            return None
        if status in PASSING:
            return None
        error = ServerError(self._refused(status, content))
        error.status = status
        raise error

    def _body(self, message: Message, terms: Terms, budget: int) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.address.model, "messages": [message.to_openai()], "stream": False}
        if terms.limit:
            body[terms.limit] = BUDGETS[budget]
        return body | ({"temperature": 0} if terms.temperature else {})

    def _wait(self, attempt: int, asked: str | None, trouble: str) -> float:
        """Seconds to the next try: more after each, or as long as the server asks for.

        Raises:
            ServerError: it asks for more than `MAX_WAIT_S`.
        """
        wait = self._wait_s * 2**attempt * random.uniform(0.75, 1.25)
        seconds = seconds_asked(asked or "")
        if seconds > MAX_WAIT_S:
            raise ServerError(
                f"{self.address.host} asks for a wait of {seconds / 60:,.0f} minutes ({trouble}), and calvin "
                f"waits {MAX_WAIT_S / 60:g} at most. {KEPT}"
            )
        return max(min(wait, MAX_WAIT_S), seconds)

    def _refused(self, status: int, content: bytes) -> str:
        what = {
            **dict.fromkeys((301, 302, 307, 308), MOVED),
            401: f"wants a key: put it in {SERVER_KEY}",
            403: f"does not accept the key in {SERVER_KEY}",
            402: "wants to be paid first",
            404: f"knows no model {self.address.model}, or its address is another (most end in /v1)",
            405: "takes no questions at this address (most end in /v1)",
            413: "takes no request of this size: ask with fewer --frames",
        }.get(status, f"refuses (status {status})")
        if status != 413 and is_too_long(content.decode("utf-8", "replace")):
            what = f"has too short a context for the question (start it with a longer one; status {status})"
        return f"{self.address.host} {what}: {self._line.excerpt(content)}. {KEPT}"


def open_server(model: str | None, options: OpenOptions) -> Server:
    """
    Raises:
        UsageError: no address of a model server.
    """
    return Server(Address.parse(model), os.environ.get(SERVER_KEY), options.frames)


def _some(names: Sequence[str]) -> str:
    """Names in a sentence, a few of many."""
    shown = list(names[:8])
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")
