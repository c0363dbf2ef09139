"""Projects damaged by meaning: rows, settings and files that are well-formed and say what calvin never wrote."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
import traceback
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from attacks.damage import damaged
from attacks.kills import start_film
from typer.testing import CliRunner

from calvin.cli.main import command_line

MADE = (
    "describe {}/film.mkv -o {}/p --subtitles {}/film.srt -f vtt,csv,json",
    "pick {}/p -n 3 -o {}/corrections.csv",
    "approve {}/p cue-2 cue-3",
    "voice {}/p --voice tones",
    "mix {}/p -o {}/mixed.mkv",
)
"""What the whole project went through."""
COMMANDS = (
    "status {}/p",
    "status {}/p --decisions --history all --json",
    "status {}/p --history cue-2",
    "lint {}/p",
    "export {}/p -f vtt,srt,json,csv,dapt,txt -o {}/out",
    "import {}/p {}/edited.csv --yes",
    "import {}/p {}/edited.vtt --yes",
    "approve {}/p cue-1",
    "restore {}/p cue-2",
    "undo {}/p",
    "undo {}/p --redo",
    "pick {}/p -n 2",
    "voice {}/p --voice tones",
    "mix {}/p -o {}/mixed.mkv --yes",
    "mix {}/p -o {}/other.mkv",
    "describe {}/p",
    "describe {}/film.mkv -o {}/p",
    "describe {}/p --model calvin-mini --context 1",
    "adapt {}/p -c {}/corrections.csv -o {}/adapted --iterations 1 --no-check",
)
NUMBERS = (-1, 0, 1, 3_000, 2**31, 2**53, 2**63 - 1, -(2**63))
TEXTS = (
    "",
    " ",
    "\0",
    "null",
    "[]",
    "{}",
    '"text"',
    "1e400",
    "NaN",
    "[" * 20_000,
    "model",
    "x" * 100_000,
    "\n-->\n",
    "../..",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**70,
    1e308,
    float("nan"),
    "",
    "\0",
    "text",
    "../x",
    [],
    [[]],
    {},
    {"a": 1},
)


def _run(words: str, folder: Path) -> Any:
    arguments = [word.format(folder) for word in words.split()]
    return CliRunner().invoke(command_line(arguments), arguments)


def _whole(folder: Path) -> Path:
    """A described, spoken and mixed project with its film, and scripts of it that somebody edited; made once."""
    whole = folder / "whole"
    if not whole.is_dir():
        making = folder / "making"
        shutil.rmtree(making, ignore_errors=True)
        start_film(making)
        for words in MADE:
            found = _run(words, making)
            if found.exit_code:
                raise RuntimeError(f"{words}: {found.output}") from found.exception
        for path in (making / "p").glob("film.[cv][st][vt]"):
            text = path.read_text(encoding="utf-8").replace(" a ", " some ")
            (making / f"edited{path.suffix}").write_text(text, encoding="utf-8")
        making.rename(whole)
    return whole


def _any(rng: np.random.Generator, values: tuple[Any, ...]) -> Any:
    return values[int(rng.integers(len(values)))]


def _other_leaf(value: Any, rng: np.random.Generator) -> Any:
    """JSON with something in it replaced, left out or put in twice."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = _any(rng, tuple(value))
        if rng.random() < 0.15:
            return {name: one for name, one in value.items() if name != key}
        return {**value, key: _other_leaf(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = int(rng.integers(len(value)))
        middle = [] if rng.random() < 0.15 else [_other_leaf(value[at], rng)] * int(rng.integers(1, 3))
        return [*value[:at], *middle, *value[at + 1 :]]
    return _any(rng, VALUES)


def _other_json(text: str, rng: np.random.Generator) -> str:
    try:
        return json.dumps(_other_leaf(json.loads(text), rng))
    except ValueError:
        return str(_any(rng, TEXTS))


def _loosened(db: sqlite3.Connection) -> None:
    """Tables that take anything, as those of another tool do."""
    db.execute("PRAGMA writable_schema = ON")
    for word in (" STRICT", "NOT NULL"):
        db.execute("UPDATE sqlite_master SET sql = replace(sql, ?, '') WHERE type = 'table'", (word,))
    db.execute("PRAGMA writable_schema = RESET")


def _damage_rows(project: Path, rng: np.random.Generator) -> str:
    """One value of the database, or a row or table of it."""
    with closing(sqlite3.connect(project / "project.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        loose = bool(rng.random() < 0.4)
        tables = {
            name: [row[1] for row in db.execute(f"PRAGMA table_info({name})")]
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        }
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            if rng.random() < 0.02:
                db.execute(f"DROP TRIGGER {trigger}")
        if loose:
            _loosened(db)
    with closing(sqlite3.connect(project / "project.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        table = _any(rng, ("setting", "film", *tables))
        column = _any(rng, tuple(tables[table]))
        rows = db.execute(
            f"SELECT rowid, {column} FROM {table}" if table != "step_row" else f"SELECT key, {column} FROM step_row"
        ).fetchall()
        about = f"{table}.{column}{' (loose)' if loose else ''}"
        if rng.random() < 0.04:
            db.execute(_any(rng, (f"DELETE FROM {table}", f"DROP TABLE {table}", "PRAGMA user_version = 2")))
            return f"{about} deleted, dropped or of another version"
        if not rows:
            return f"{about} (no rows)"
        key, before = _any(rng, tuple(rows))
        if isinstance(before, str) and before[:1] in "[{" and rng.random() < 0.85:
            value: Any = _other_json(before, rng)
        elif table == "setting" and column == "value" and rng.random() < 0.8:
            value = json.dumps(_any(rng, VALUES[:-1]))
        elif isinstance(before, int) and rng.random() < 0.7:
            value = _any(rng, NUMBERS)
        elif isinstance(before, str) and rng.random() < 0.7:
            value = _any(rng, TEXTS)
        else:
            value = _any(rng, (None, 1.5, b"\xff\xfe", *NUMBERS, *TEXTS))
        named = "key" if table == "step_row" else "rowid"
        try:
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {named} = ?", (value, key))
        except sqlite3.Error as error:
            return f"{about}: {error}"
        return f"{about} of {key} = {value!r:.60}"


def _damage_file(project: Path, rng: np.random.Generator) -> str:
    """One of its files gone, emptied, cut short, another kind of thing, or JSON that says something else."""
    kinds = (
        "frames/frames.json",
        "frames/frames.jpegs",
        "features-*",
        "voice/*.wav",
        "film.*",
        "project.*",
        "../film.mkv",
    )
    found = sorted(project.glob(_any(rng, kinds)))
    if not found:
        return "no such file"
    path = _any(rng, tuple(found))
    way = str(rng.choice(["gone", "empty", "folder", "damaged", "meaning", "meaning", "link"]))
    about = f"{path.relative_to(project.parent)} {way}"
    data = path.read_bytes()
    if way == "meaning" and path.suffix == ".json":
        path.write_text(_other_json(data.decode(), rng), encoding="utf-8")
    elif way == "meaning" and path.suffix == ".safetensors":
        size = int.from_bytes(data[:8], "little")
        head = _other_json(data[8 : 8 + size].decode(), rng).encode()
        path.write_bytes(len(head).to_bytes(8, "little") + head + data[8 + size :])
    elif way in ("meaning", "damaged"):
        changed, ways = damaged(data or b"\0", rng)
        path.write_bytes(changed)
        about += f" ({ways})"
    else:
        path.unlink()
        if way == "empty":
            path.touch()
        elif way == "folder":
            path.mkdir()
        elif way == "link":
            path.symlink_to(path.name if rng.random() < 0.5 else "/dev/zero")
    return about


def try_store(number: int, folder: Path) -> tuple[str, str]:
    """Damages a project, and looks at it and goes on with it by three commands.

    Each works, or says in one sentence why it does not. None may go on with what calvin never wrote and fail midway.
    """
    rng = np.random.default_rng(number)
    whole, place = _whole(folder), folder / "damaged"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(whole, place)
    # The film is where the project looks for it.
    with closing(sqlite3.connect(place / "p" / "project.sqlite")) as db:
        db.execute("UPDATE film SET path = ?", (str(place / "film.mkv"),))
        db.commit()
    damages = [_damage_rows if rng.random() < 0.7 else _damage_file for _ in range(int(rng.integers(1, 3)))]
    about = "; ".join(damage(place / "p", rng) for damage in sorted(damages, key=lambda one: one is _damage_file))
    refused = 0
    for words in rng.choice(COMMANDS, 3, replace=False):
        began = time.monotonic()
        found = _run(str(words), place)
        asked = f"{about}; {str(words).replace('{}/', '')}"
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            return "traceback", f"{asked}\n{''.join(traceback.format_exception(found.exception))}"
        if time.monotonic() - began > 45:
            return "hung", f"{asked}: {time.monotonic() - began:.0f} s"
        if found.exit_code:
            refused += 1
            lines = [line for line in found.stderr.strip().splitlines() if line.startswith("Error:")]
            if len(lines) != 1 and "lint" not in words:
                return "not one sentence", f"{asked}: {found.exit_code}, {found.stderr[-1500:]!r}"
    return ("refused" if refused else "worked"), about
