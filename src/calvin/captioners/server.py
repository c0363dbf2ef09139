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
from functools import partial
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
    shown_stills,
    stills,
)
from calvin.captioners.server_address import Address
from calvin.captioners.server_http import Line, finished, seconds_asked
from calvin.captioners.server_remarks import Remarks, some
from calvin.captioners.server_replies import (
    CUT,
    REFUSES,
    THINKING,
    Judge,
    Reply,
    Terms,
    dense_trouble,
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
from calvin.captioners.spending import Spending
from calvin.captioners.surroundings import BESIDE
from calvin.captioners.two_stages import Descriptions, dense_message, described, writing_message
from calvin.core.errors import ServerError, UsageError, first_line
from calvin.core.masking import SERVER_KEY
from calvin.core.progress import Listener, Progress, silent
from calvin.core.types import LARGE_SIZE
from calvin.media.film.frames import longer_side

FRAMES = 8
"""Stills per scene; servers limit the images per request."""
MAX_FRAMES = 64
TOGETHER = 4  # requests under way at once
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


Build = Callable[[Terms, str], Message]
"""From what the server takes, and a sentence to add, to the message."""


class Server:
    """The model of a server, as a captioner.

    Args:
        key: sent as a bearer token.
        frames: the most stills per scene.
        two_stages: whether it is asked for a description first, and then for a line made of that.
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
        two_stages: bool = False,
        *,
        together: int = TOGETHER,
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
        self._terms, self._budget, self._missed = Terms(stills=self.frames + 2 * BESIDE), 0, 0
        self.two_stages, self._descriptions = two_stages, Descriptions()
        self._ready = False
        self._listener: Listener = silent
        self._remarks = Remarks(address.host, self.frames)

    @property
    def info(self) -> CaptionerInfo:
        where = "" if self.address.local else f"Stills of the film are sent to {self.address.host}."
        details = {"server": self.address.url, "frames": str(min(self.frames, self._terms.stills))}
        details |= {"stages": "2"} if self.two_stages else {}
        staged = {"two_stages": True} if self.two_stages else {}
        known = fingerprint(self.address.model, server=self.address.url, frames=self.frames, **staged)
        return CaptionerInfo(self.address.model, known, where, details)

    reads_looks = True
    still_size = LARGE_SIZE

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"frames"})

    @property
    def remarks(self) -> tuple[str, ...]:
        """What there is to say of the server, in sentences for whoever reads the captions."""
        return self._remarks.said

    @property
    def spent(self) -> Spending:
        return self._line.spent

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
            has = f"it has {some([self._line.masked(one) for one in ids])}" if ids else "it has none"
            try:
                await self._answer(client, lambda terms, more: probe_message(), None)
            except ServerError as error:
                if ids is not None and not knows(ids, model) and error.status in (400, 404, 422):
                    raise ServerError(
                        f"{host} has no model {model}: {has}; write its name behind the # of --model."
                    ) from error
                raise
            if ids and not knows(ids, model):
                self._remarks.unlisted(model, has)

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        """One answer per request, cleaned; its score is not known (0). One without words says why (`trouble`).

        Raises:
            DataError: a scene without stills.
            ServerError: the server cannot be reached, refuses, or goes on answering with nonsense or nothing.
        """

        for request in requests:
            stills(request, 1)
        asked = self._in_two_stages(requests) if self.two_stages else self._run([*map(self._builder, requests)])
        answers = []
        for request, said in zip(requests, asked, strict=True):
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

    def _builder(self, request: CaptionRequest, ask: Callable[..., Message] = build_message) -> Build:
        def build(terms: Terms, more: str) -> Message:
            count = min(terms.stills, self.frames)
            return ask(request, shown_stills(request, count, terms.stills - count, terms.size), more)

        return build

    def _in_two_stages(self, requests: Sequence[CaptionRequest]) -> list[_Said]:
        """What the model makes of its own descriptions; where it gave none, why."""

        def second(request: CaptionRequest, description: str) -> Build:
            return lambda terms, more: writing_message(request, description, more)

        first = partial(self._builder, ask=dense_message)
        new = [request for request in requests if self._descriptions.of(request) is None]
        found = dict[int, _Said]()
        for request, said in zip(new, self._run([*map(first, new)], dense_trouble, least=1), strict=True):
            if said.trouble:
                found[id(request)] = said
            else:
                self._descriptions.keep(request, described(said.text))
        known = [request for request in requests if id(request) not in found]
        written = self._run([second(request, self._descriptions.of(request) or "") for request in known])
        found |= {id(request): said for request, said in zip(known, written, strict=True)}
        return [found[id(request)] for request in requests]

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
            return lambda terms, more: message

        return [said.text for said in self._run([builder(message) for message in messages], None)]

    def _run(self, builds: Sequence[Build], judge: Judge | None = trouble_of, least: int = 0) -> list[_Said]:
        """What the model says to each message; the first trouble that lasts stops the others.

        Args:
            judge: what is wrong with an answer; None: any words will do.
            least: the first of the `BUDGETS` that an answer may take.
        """

        async def ask_all() -> list[_Said]:
            turns = asyncio.Semaphore(max(1, self._together))

            async def ask(build: Build) -> _Said:
                async with turns:
                    return await self._answer(client, build, judge, least)

            async with self._line.client() as client:
                asked = [asyncio.ensure_future(ask(build)) for build in builds]
                try:
                    return await asyncio.gather(*asked)
                finally:
                    for one in asked:
                        one.cancel()
                    await asyncio.gather(*asked, return_exceptions=True)

        return finished(ask_all())

    async def _answer(self, client: httpx2.AsyncClient, build: Build, judge: Judge | None, least: int = 0) -> _Said:
        """Ask until there is what is asked for, or no hope of it."""
        budget, again, more = max(self._budget, least), 0, ""
        while True:
            reply = await self._reply(client, build, more, budget)
            trouble = judge(reply, budget + 1 == len(BUDGETS)) if judge else ""
            if not trouble:
                self._budget = max(self._budget, budget) if judge and budget > least else self._budget
                return _Said(reply.text)
            if trouble in (THINKING, CUT):
                budget += 1
                if budget == len(BUDGETS):
                    return _Said(reply.text, trouble)
            elif again == AGAIN:
                return _Said(reply.text, trouble)
            else:
                again, more = again + 1, HARMLESS if trouble == REFUSES else "" if judge is dense_trouble else WHOLE

    async def _reply(self, client: httpx2.AsyncClient, build: Build, more: str, budget: int) -> Reply:
        """One reply to a question, tried again while there is trouble that may pass.

        Raises:
            ServerError: trouble that lasts, or a refusal.
        """
        trouble, tries, waits, waited = "", 0, 0, 0.0
        while True:
            asked: str | None = None
            terms, message = self._terms, build(self._terms, more)
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
        longest = max((longer_side(frame.jpeg) for frame in message.frames), default=0)
        other = None if passes else other_terms(terms, words, shown, longest, too_large=status == 413)
        if other is not None:
            self._remarks.shown(terms, other)
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
    key, together = os.environ.get(SERVER_KEY), options.in_flight or TOGETHER
    return Server(Address.parse(model), key, options.frames, options.two_stages, together=together)
