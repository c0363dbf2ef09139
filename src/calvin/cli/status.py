"""`calvin status`: how far a project is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from calvin.cli.console import say
from calvin.core.time import format_timecode


def status(
    project: Annotated[Path, typer.Argument(help="Project folder.", show_default=False)],
    decisions: Annotated[bool, typer.Option("--decisions", help="Why each place has the words it has.")] = False,
    history: Annotated[str | None, typer.Option("--history", help="Every text of this cue, and who wrote it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For other programs.")] = False,
) -> None:
    """Show what a project holds and how far it is; also while `calvin describe` is at work on it.

    Examples:

        calvin status film.calvin

        calvin status film.calvin --decisions

        calvin status film.calvin --history cue-12
    """
    from calvin.studio.project.status import project_status
    from calvin.studio.project.store import ProjectStore

    with ProjectStore(project, read_only=True) as store:
        found = project_status(store)
        if history is not None:
            found["history"] = [
                {"written_at": past.written_at, "author": str(past.author), "text": past.text}
                for past in store.history(history.removeprefix("cue-"))
            ]
        if decisions:
            found["decisions"] = [
                {
                    "start_ms": d.span.start_ms if d.span else 0,
                    "cue": d.cue_id,
                    "choice": str(d.choice),
                    "why": d.reason,
                }
                for d in store.decisions
            ]
    if as_json:
        say(json.dumps(found, ensure_ascii=False, indent=2))
    elif history is not None:
        for past in found["history"]:
            say(f"{past['written_at']}  {past['author']}: {past['text'] or '(removed)'}")
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    film, cues = found["film"], found["cues"]
    say(f"{film['title']}: {format_timecode(film['duration_ms'])}, {film['where']}")
    say(f"{found['shots']} shots, {found['dialogue']} lines of dialogue")
    say(f"{found['places_done']} of {found['places']} places done")
    kinds = [f"{count} {name}" for name, count in cues["by"].items() if count]
    say(f"{cues['total']} cues{': ' if kinds else ''}{', '.join(kinds)}")
    for choice, count in found["choices"].items():
        say(f"  {count} {choice}")
    for note in found["notes"]:
        say(f"Note: {note}")
    for decision in found.get("decisions", []):
        cue = f"cue-{decision['cue']}" if decision["cue"] else "no cue"
        say(f"{format_timecode(decision['start_ms'])}  {cue}  {decision['choice']}: {decision['why']}")
