"""Reading what is asked, answering in JSON, and saying what went wrong in a sentence with the status that fits."""

from __future__ import annotations

import errno
import json
import sqlite3
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from calvin.core.errors import CalvinError, MissingExtraError, ServerError, StoreError, first_line
from calvin.core.masking import masked
from calvin.studio.project.database import trouble

MAX_JSON = 1 << 20
"""Bytes of a body in JSON; the longest edit, all cues by key, has a tenth of it."""

_T = TypeVar("_T")


class Body(BaseModel):
    """What may be sent: fields of these names and types, and no others."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Refusal(CalvinError):
    """A request that is refused with an HTTP `status`; `more` goes beside the sentence."""

    def __init__(self, status: int, why: str, **more: Any) -> None:
        super().__init__(why)
        self.status = status
        self.more = more


def plain(value: object) -> Any:
    """A dataclass as what JSON has; those inside it stay, which are asked for in their turn."""
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{type(value).__name__} is nothing that JSON has")
    return {field.name: getattr(value, field.name) for field in fields(value)}


def answer(value: object, status: int = 200) -> Response:
    """A value, which may hold dataclasses, as JSON."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=plain)
    # Half a surrogate pair cannot be sent as UTF-8.
    return Response(text.encode("utf-8", "replace"), status, media_type="application/json")


async def read_body(request: Request, limit: int) -> bytes:
    """
    Raises:
        Refusal: the body has more bytes than the limit, or its sender has gone.
    """
    stated = request.headers.get("content-length", "0")
    if stated.isascii() and stated.isdigit() and int(stated[:12]) > limit:
        raise _too_large(limit)
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
    except ClientDisconnect as error:
        raise Refusal(400, "The request broke off.") from error
    return b"".join(parts)


def check_kind(request: Request, kind: str, why: str) -> None:
    """
    Raises:
        Refusal: the body is of another kind than one that begins so.
    """
    if not request.headers.get("content-type", "").strip().lower().startswith(kind):
        raise Refusal(415, why)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"That is too large: at most {limit / 2**20:.0f} MiB are taken.")


def checked(shape: type[_T] | TypeAdapter[_T], body: bytes) -> _T:
    """JSON as a value of some shape.

    Raises:
        Refusal: it is not JSON, or has another shape; the sentence names the fields.
    """
    adapter: TypeAdapter[_T] = shape if isinstance(shape, TypeAdapter) else TypeAdapter(shape)
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise Refusal(422, f"That cannot be read: {_problems(error)}.") from error
    except RecursionError as error:
        raise Refusal(422, "That cannot be read: it is nested too deeply.") from error


def asked(shape: type[_T], request: Request) -> _T:
    """The query of a request, whose values come as text, as a value of some shape.

    Raises:
        Refusal: it has another one.
    """
    values = dict(request.query_params)
    try:
        return TypeAdapter(shape).validate_python(values, strict=False)
    except ValidationError as error:
        raise Refusal(422, f"That cannot be read: {_problems(error)}.") from error


def _problems(error: ValidationError) -> str:
    found = []
    for item in error.errors(include_url=False, include_context=False, include_input=False)[:3]:
        where = ".".join(str(part) for part in item["loc"])
        what = item["msg"].removeprefix("Value error, ").rstrip(".")
        found.append(f"{where}: {what}" if where else what)
    return "; ".join(found)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def status_of(error: BaseException) -> int:
    """The HTTP status of an error that calvin or the system raised."""
    if isinstance(error, Refusal):
        return error.status
    if isinstance(error, OSError):
        return 507 if error.errno in _FULL else 503
    if isinstance(error, StoreError):
        cause = error.__cause__
        if isinstance(cause, OSError):
            return status_of(cause)
        said = str(cause) if isinstance(cause, sqlite3.OperationalError) else ""
        return 423 if "locked" in said else 507 if "full" in said else 400
    return 503 if isinstance(error, ServerError | MissingExtraError | sqlite3.Error) else 400


def sentence_of(error: BaseException) -> str:
    """What to tell a person about it."""
    if isinstance(error, CalvinError):
        return " ".join(str(error).split())
    if isinstance(error, sqlite3.Error):
        return trouble(error)
    if isinstance(error, OSError) and error.errno in _FULL:
        return "The disk is full: free some space and try again; what was kept before is kept."
    if isinstance(error, OSError):
        # Without its path, which the page is not told.
        return f"A file cannot be used ({error.strerror or type(error).__name__}): see that the disk is there."
    return masked(f"Something went wrong in calvin itself ({type(error).__name__}: {first_line(error)}).")


async def on_trouble(_: Request, error: Exception) -> Response:
    """The answer to a request that met an error of calvin's or the system's."""
    more = error.more if isinstance(error, Refusal) else {}
    return answer({"error": sentence_of(error), **more}, status_of(error))


async def on_fault(_: Request, error: Exception) -> Response:
    """The answer where calvin itself is at fault."""
    return answer({"error": sentence_of(error)}, 500)


async def on_http(_: Request, error: Exception) -> Response:
    """The answer to a request that no route takes."""
    assert isinstance(error, HTTPException)
    said = {404: "There is nothing at this address.", 405: "That cannot be done at this address."}
    response = answer({"error": said.get(error.status_code, str(error.detail))}, error.status_code)
    response.headers.update(error.headers or {})
    return response
