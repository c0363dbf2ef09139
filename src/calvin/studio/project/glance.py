"""What a list of projects says of each: read in a moment, also while another process is at work on it."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from calvin.studio.project.database import DATABASE


@dataclass(frozen=True, slots=True)
class Glance:
    """A project's title, its film, and how many cues it has and how many of them are approved.

    `title` is empty where the project cannot be read or holds no film yet.
    """

    title: str = ""
    film: Path | None = None
    cues: int = 0
    approved: int = 0


def glance(folder: Path) -> Glance:
    """Look at a project without checking it, as opening it does; nothing is created or brought up to date."""
    with suppress(sqlite3.Error, ValueError, TypeError, OSError):
        address = f"{(folder / DATABASE).resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=1)) as db:
            row = db.execute("SELECT title, path FROM film").fetchone()
            cues, approved = db.execute("SELECT count(*), coalesce(sum(status = 'approved'), 0) FROM cue").fetchone()
            return Glance(str(row[0]), Path(str(row[1])), int(cues), int(approved)) if row else Glance()
    return Glance()
