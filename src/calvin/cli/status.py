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
    history: Annotated[
        str | None,
        typer.Option("--history", help="Every text of this cue, and who wrote it; `all`: which cues there ever were."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For other programs.")] = False,
) -> None:
    """Show what a project holds and how far it is; also while `calvin describe` is at work on it.

    Examples:

        calvin status film.calvin

        calvin status film.calvin --decisions

        calvin status film.calvin --history cue-12

        calvin status film.calvin --history all
    """
    from calvin.studio.project.status import project_status, standing_decisions
    from calvin.studio.project.store import ProjectStore

    with ProjectStore(project, read_only=True) as store:
        found = project_status(store)
        if history == "all":
            present = {cue.id for cue in store.cues}
            found["cues_ever"] = [
                {
                    "cue": cue,
                    "removed": cue not in present,
                    "texts": len(texts := [past.text for past in pasts if past.text]),
                    "text": texts[-1],
                }
                for cue, pasts in store.histories.items()
            ]
        elif history is not None:
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
                for d in standing_decisions(store)
            ]
    if as_json:
        say(json.dumps(found, ensure_ascii=False, indent=2))
    elif history == "all":
        for cue in found["cues_ever"]:
            count = f"{cue['texts']} text{'' if cue['texts'] == 1 else 's'}"
            say(f"cue-{cue['cue']}  {count}{', removed' if cue['removed'] else ''}: {cue['text']}")
    elif history is not None:
        for number, past in enumerate(found["history"], 1):
            say(f"{number}  {past['written_at']}  {past['author']}: {past['text'] or '(removed)'}")
    else:
        _show(found)


def _made_by(found: dict[str, Any]) -> list[str]:
    """What decoded, described and spoke, in sentences."""
    lines = []
    if found["decoding"]:
        done, total = found["decoding"]
        lines.append(f"Decoded: {done} of {total} s")
    described, spoken = found["described"], found["spoken"]
    if described:
        parts = [f"{described['model']}{' ' + described['fingerprint'][:12] if described['fingerprint'] else ''}"]
        parts += [f"adapter {described['adapter']}"] if described["adapter"] else []
        parts += [f"a cast of {len(described['cast'])}"] if described["cast"] else []
        parts += ["subtitles"] if described["subtitles"] else ["dialogue found by listening"] * bool(found["dialogue"])
        lines.append(f"Described by {parts[0]}{''.join(f', {part}' for part in parts[1:])}, in {described['language']}")
    if spoken:
        pace = f"{spoken['rate']:g} words a minute" if spoken["rate"] else "the voice's own pace"
        to_do = f", {spoken['to_speak']} still to speak" if spoken["to_speak"] else ""
        lines.append(f"Spoken by {spoken['name']} at {pace}: {spoken['cues']} cues{to_do}")
    return lines


def _show(found: dict[str, Any]) -> None:
    film, cues = found["film"], found["cues"]
    say(f"{film['title']}: {format_timecode(film['duration_ms'])}, {film['where']}")
    say(f"{found['shots']} shots, {found['dialogue']} lines of dialogue")
    say(f"{found['places_done']} of {found['places']} places done")
    kinds = [f"{count} {name}" for name, count in cues["by"].items() if count]
    say(f"{cues['total']} cues{': ' if kinds else ''}{', '.join(kinds)}")
    if set(cues["kinds"]) - {"picture"}:
        say(f"Kinds: {', '.join(f'{count} {kind}' for kind, count in cues['kinds'].items())}")
    for line in _made_by(found):
        say(line)
    for choice, count in found["choices"].items():
        say(f"  {count} {choice}")
    for note in found["notes"]:
        say(f"Note: {note}")
    done = [step for step in found["steps"] if not step["undone"]]
    if done:
        when = done[-1]["made_at"][:16].replace("T", " ")
        say(f"Last step: {done[-1]['what']}, {when} UTC; `calvin undo` takes it back")
    for decision in found.get("decisions", []):
        cue = f"cue-{decision['cue']}" if decision["cue"] else "no cue"
        say(f"{format_timecode(decision['start_ms'])}  {cue}  {decision['choice']}: {decision['why']}")
