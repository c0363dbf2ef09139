"""`calvin cast`: who is in a film, proposed and confirmed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from calvin.cli.console import say, shown, warn
from calvin.core.errors import UsageError
from calvin.core.text_tables import counted


def cast(
    project: Annotated[Path, Argument(help="Project folder.", show_default=False)],
    out: Annotated[
        Path | None, Option("--out", "-o", help="The cast file.", show_default="the project's, else PROJECT/cast.toml")
    ] = None,
    only_list: Annotated[bool, Option("--list", help="Show who is proposed, and ask and write nothing.")] = False,
    yes: Annotated[bool, Option("--yes", "-y", help="Write everybody proposed, by name, and ask nothing.")] = False,
    stills: Annotated[int, Option(min=1, max=20, help="Stills to ask about per person.")] = 5,
) -> None:
    """Propose who is in a film, from its subtitles, and ask you which stills show them.

    Proposed are those who speak by the labels of the subtitles and those who are called by name. Every still is told in
    words: when it is, who speaks, what the description says. Your answers become portraits in the cast file, by which
    `describe` finds them. What you wrote in the file stays; where nobody can answer, the list is all you get.

    Examples:

        calvin cast film.calvin

        calvin cast film.calvin --list

        calvin cast film.calvin --yes -o cast.toml
    """
    from calvin.media.film.frames import FrameStore
    from calvin.studio.cast.cast_file import add_to_cast
    from calvin.studio.cast.characters import read_cast_file
    from calvin.studio.cast.interview import FOLDER, Interview, candidates_of, listed, unconfirmed, write_stills
    from calvin.studio.project.store import ProjectStore

    with ProjectStore(project, read_only=True) as store:
        kept = store.sources.cast if store.sources else None
        path = out or Path(kept or project / "cast.toml")
        known = read_cast_file(path) if path.is_file() else None
        candidates, nobody = candidates_of(store, known, stills)
    if nobody:
        warn(f"Labels that name nobody in particular: {', '.join(nobody)}.")
    if not candidates:
        raise UsageError(
            "The subtitles neither label who speaks nor call anybody by name: write the cast yourself (docs/adapt.md)."
        )
    folder = project / FOLDER
    write_stills(FrameStore.open(project / "frames"), candidates, folder)
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
    changed = additions and add_to_cast(path, additions)
    portraits = sum(len(one.portraits) for one in additions)
    found = f"{path}: {counted(len(additions), 'character')}, {counted(portraits, 'portrait')}"
    say(found if changed else f"{found}; nothing in it changed")
    if changed:
        say(f"Describe with it: calvin describe {project} --cast {path}")


def on_terminal() -> bool:
    return sys.stdin.isatty()


def ask(question: str) -> str:
    """An answer typed on the terminal; the end of the input asks no more."""
    try:
        return input(shown(question))
    except EOFError:
        return "stop"
