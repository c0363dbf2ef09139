"""What is known of a catalogue's films, a line of JSON for each thing that happened, so that a stopped run goes on.

A line is on disk before the next thing begins. Whatever a killed process or a full disk left of one is cut off when the
file is opened again, and what it would have said is found out anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import TypeAdapter, ValidationError

from calvin.captioners.spending import Spending
from calvin.core.errors import UsageError
from calvin.core.masking import masked
from calvin.studio.catalogue.listing import Entry
from calvin.studio.project.database import is_project

JOURNAL = "catalogue.jsonl"


@dataclass(frozen=True, slots=True)
class FilmResult:
    """What became of a film: `seconds` of it with so many `cues`, in `took_s` seconds of a worker; what there is to
    know (`notes`), or the `error` that prevented it, which may be the `server`'s. `empty` places are left to a person;
    for `unanswered` ones the model gave no words, and it is asked again."""

    seconds: float = 0.0
    cues: int = 0
    empty: int = 0
    unanswered: int = 0
    took_s: float = 0.0
    notes: tuple[str, ...] = ()
    error: str = ""
    server: bool = False
    spent: Spending = Spending()  # noqa: RUF009  frozen


@dataclass(frozen=True, slots=True)
class FilmRecord:
    """A line on a film, by its path: `begun`, with the name of its project, or what came of it."""

    film: str
    name: str
    state: Literal["begun", "done", "failed"]
    stamp: tuple[int, int]
    result: FilmResult = FilmResult()

    @classmethod
    def of(cls, entry: Entry, result: FilmResult | None = None) -> Self:
        state: Literal["begun", "done", "failed"] = "begun" if result is None else "failed" if result.error else "done"
        return cls(str(entry.film), entry.name, state, entry.stamp, result or FilmResult())


_RECORD = TypeAdapter(FilmRecord)


class FilmJournal:
    """The journal of the catalogue in the folder `out`, begun where there is none.

    Args:
        asked: what is asked for of every film; a catalogue goes on with the same.

    Raises:
        UsageError: the catalogue was begun with something else, or the file is something else.
    """

    def __init__(self, out: Path, asked: Mapping[str, Any]) -> None:
        self._out, self._path = out, out / JOURNAL
        self.records: dict[str, FilmRecord] = {}
        begun = self._recover()
        if begun is None:
            self._append({"asked": dict(asked)})
        else:
            self._check(begun, json.loads(json.dumps(asked)))

    @property
    def names(self) -> dict[str, str]:
        """The name of each film's project, by the film's path."""
        return {film: record.name for film, record in self.records.items()}

    def done(self, entry: Entry) -> FilmResult | None:
        """What an earlier run made of a film that has not changed since, and whose project is still there; None where
        the model is to be asked again about some of its places."""
        record = self.records.get(str(entry.film))
        if record is None or record.state != "done" or record.stamp != entry.stamp:
            return None
        if record.result.unanswered:
            return None
        return record.result if is_project(self._out / record.name) else None

    def begin(self, entry: Entry) -> None:
        self._note(FilmRecord.of(entry))

    def end(self, entry: Entry, result: FilmResult) -> None:
        self._note(FilmRecord.of(entry, result))

    def _note(self, record: FilmRecord) -> None:
        line = asdict(record)
        if record.state == "begun":
            del line["result"]
        self._append(line)
        self.records[record.film] = record

    def _append(self, value: Mapping[str, Any]) -> None:
        """
        Raises:
            OSError: it cannot be written, as on a full disk; nothing of it stays then.
        """
        line = masked(json.dumps(value, ensure_ascii=True)).encode() + b"\n"
        with open(self._path, "ab") as file:
            end = file.tell()
            try:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                with suppress(OSError):
                    os.ftruncate(file.fileno(), end)
                error.filename = str(self._path)
                raise

    def _recover(self) -> dict[str, Any] | None:
        """Read what is there, and cut off a last line that is not whole. Returns what was asked for then."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            os.truncate(self._path, len(whole))
        begun: dict[str, Any] | None = None
        for line in whole.splitlines():
            try:
                value = json.loads(line)
                if begun is None:
                    begun = dict(value["asked"])
                    continue
                record = _RECORD.validate_python(value)
            except (ValueError, LookupError, TypeError, RecursionError, ValidationError) as error:
                if begun is None:
                    raise UsageError(
                        f"{self._path} is no journal of a catalogue: name another folder with -o, or move it away."
                    ) from error
                continue  # a damaged line: its film is looked at again
            self.records[record.film] = record
        return begun

    def _check(self, begun: dict[str, Any], asked: dict[str, Any]) -> None:
        before, now = _flat(begun), _flat(asked)
        other = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
        if other:
            what = "; ".join(f"{name}: {_said(before.get(name))}, now {_said(now.get(name))}" for name in other[:4])
            raise UsageError(
                f"The catalogue in {self._out} was begun with other options ({what}): give the same ones to go on, or "
                "another folder with -o."
            )


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in value.items():
        found |= _flat(part, f"{before}{name}.") if isinstance(part, dict) else {f"{before}{name}": part}
    return found


def _said(value: Any) -> str:
    return "not given" if value is None else json.dumps(value, ensure_ascii=False)
