"""`calvin cast`: who is in a film, proposed and confirmed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from calvin.cli.console import ProgressView, say, shown, warn, warn_all
from calvin.core.errors import UsageError
from calvin.core.text_tables import counted

if TYPE_CHECKING:
    from calvin.media.film.frames import FrameStore
    from calvin.studio.cast.characters import Cast
    from calvin.studio.cast.faces import Face
    from calvin.studio.project.store import ProjectStore


def cast(
    project: Annotated[Path, Argument(help="Project folder.", show_default=False)],
    out: Annotated[
        Path | None, Option("--out", "-o", help="The cast file.", show_default="the project's, else PROJECT/cast.toml")
    ] = None,
    only_list: Annotated[bool, Option("--list", help="Show who is proposed, and ask and write nothing.")] = False,
    yes: Annotated[bool, Option("--yes", "-y", help="Write everybody proposed, by name, and ask nothing.")] = False,
    stills: Annotated[int, Option(min=1, max=20, help="Stills to ask about per person.")] = 5,
    faces_csv: Annotated[
        Path | None, Option(help="Write whose faces are where, by the cast file, in AutoAD-Zero's form, and no more.")
    ] = None,
) -> None:
    """Propose who is in a film, from its subtitles, and ask you which stills show them.

    Proposed are those who speak by the labels of the subtitles and those who are called by name. Every still is told in
    words: when it is, who speaks, what the description says, and, with the extra `faces`, where faces are. Your answers
    become portraits in the cast file, by which `describe` finds these people. What you wrote in the file stays. Where
    nobody can answer, you only get the list.

    Examples:

        calvin cast film.calvin

        calvin cast film.calvin --list

        calvin cast film.calvin --yes -o cast.toml

        calvin cast film.calvin --faces-csv faces.csv
    """
    from calvin.media.film.frames import FrameStore
    from calvin.studio.cast.cast_file import add_to_cast
    from calvin.studio.cast.characters import read_cast_file
    from calvin.studio.cast.faces import faces_installed, film_faces
    from calvin.studio.cast.interview import FOLDER, Interview, listed, propose_cast, unconfirmed, write_stills
    from calvin.studio.project.store import ProjectStore

    with ProjectStore(project, read_only=True) as store, ProgressView() as progress:
        kept = store.sources.cast if store.sources else None
        path = out or Path(kept or project / "cast.toml")
        known = read_cast_file(path) if path.is_file() else None
        store.bound_film()
        frames = FrameStore.open(project / "frames")
        faces = film_faces(frames, project, listener=progress) if faces_installed() or faces_csv else None
        if faces_csv is not None:
            _write_faces(faces_csv, store, known, path, frames, faces or [])
            return
        candidates, notes = propose_cast(store, known, stills, frames, faces)
    warn_all(notes)
    folder = project / FOLDER
    write_stills(frames, candidates, folder)
    if yes:
        additions = unconfirmed(candidates, folder)
    elif only_list or not on_terminal():
        for line in listed(candidates, folder):
            say(line)
        warn(f"The stills lie in {folder} as NAME-NUMBER.jpg.")
        if not only_list:
            warn("Nobody was asked, since this is no terminal: add --yes to write the names.")
        return
    else:
        additions = Interview(ask, say).run(candidates, folder)
    changed = bool(additions) and add_to_cast(path, additions)
    portraits = sum(len(one.portraits) for one in additions)
    found = f"{path}: {counted(len(additions), 'character')}, {counted(portraits, 'portrait')}"
    say(found if changed else f"{found}; nothing in it changed")
    if changed:
        say(f"Describe with it: calvin describe {project} --cast {path}")


def _write_faces(
    target: Path, store: ProjectStore, known: Cast | None, path: Path, frames: FrameStore, faces: list[Face]
) -> None:
    from calvin.data.face_csv import write_face_csv
    from calvin.studio.cast.portrait_faces import face_rows

    if known is None:
        raise UsageError(f"There is no cast {path} that says whose faces they are: `calvin cast` makes one.")
    rows = face_rows(store, known, frames, faces)
    write_face_csv(target, rows)
    people = len({name for row in rows for name in row.people})
    say(f"{target}: {counted(len(rows), 'scene')}, faces of {people} of {len(known.characters)} characters")


def on_terminal() -> bool:
    return sys.stdin.isatty()


def ask(question: str) -> str:
    """An answer typed on the terminal; the end of the input asks no more."""
    try:
        return input(shown(question))
    except EOFError:
        return "stop"
