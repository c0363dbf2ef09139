"""`calvin status`: how far a project is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from calvin.cli.console import say
from calvin.core.text_tables import counted
from calvin.core.time import format_timecode
from calvin.core.types import FRAME_SIZE
from calvin.media.languages import language_name

_HASH = re.compile(r"[0-9a-f]{12,64}")
_AUTHORS = {"model": "the model", "adapter": "the adapted model", "human": "a person"}
_MOST_COMMENTS = 20
_CHOICES = {
    "best": "the model's best caption",
    "candidate": "another caption that fits",
    "shorter": "a shorter sentence",
    "extended": "a caption for which the film pauses",
    "repeated": "silent, because it was said just before",
    "silent": "silent, because there were no words",
    "human": "a person's words",
    "wanted": "places that a person made to write in",
    "open": "captioned, but not placed yet",
}


def status(
    project: Annotated[Path, typer.Argument(help="Project folder.", show_default=False)],
    decisions: Annotated[bool, typer.Option("--decisions", help="Why each place has the words it has.")] = False,
    history: Annotated[
        str | None,
        typer.Option(
            "--history",
            help="Every text that this cue has had, who wrote it, and comments on it; `all`: every cue there ever was.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")] = False,
) -> None:
    """Show what a project holds and how far along it is, even while `calvin describe` is working on it.

    Examples:

        calvin status film.calvin

        calvin status film.calvin --decisions

        calvin status film.calvin --history cue-12

        calvin status film.calvin --history all
    """
    from calvin.studio.project.status import project_status, standing_decisions
    from calvin.studio.project.store import ProjectStore
    from calvin.studio.script.open_places import unwritten

    with ProjectStore(project, read_only=True) as store:
        found = project_status(store)
        found["unwritten"] = unwritten(store)
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
            found["comments"] = [one for one in found["comments"] if one["cue"] == history.removeprefix("cue-")]
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
            removed = ", removed" if cue["removed"] else ""
            say(f"cue-{cue['cue']}, {counted(cue['texts'], 'text')}{removed}: {cue['text']}")
    elif history is not None:
        for line in _texts(found):
            say(line)
    else:
        _show(found)


def _texts(found: dict[str, Any]) -> list[str]:
    """Every text of a cue, and the comments on it."""
    lines = [
        f"{number}, {_minute(past)} UTC, by {_AUTHORS[past['author']]}: {past['text'] or '(removed)'}"
        for number, past in enumerate(found["history"], 1)
    ]
    comments = [
        f"Comment, {_minute(one)} UTC{', dealt with' if one['done'] else ''}: {one['text']}"
        for one in found["comments"]
    ]
    return lines + comments


def _minute(written: dict[str, Any]) -> str:
    return str(written["written_at"])[:16].replace("T", " ")


def _made_by(found: dict[str, Any]) -> list[str]:
    """What decoded, described and spoke, each under its heading."""
    from calvin.studio.script.writers import cue_names

    lines = []
    if found["decoding"]:
        done, total = found["decoding"]
        lines.append(f"Decoded: {done} of {total} s")
    if found["reading"]:
        done, total = found["reading"]
        lines.append(f"Read for writing on the screen: {done} of {total} s")
    described, spoken = found["described"], found["spoken"]
    if described:
        parts = [f"with the adapter {described['adapter']}"] if described["adapter"] else []
        parts += [f"with a cast of {len(described['cast'])}"] if described["cast"] else []
        by = ", ".join([_model_name(described["model"]), *parts])
        lines.append(f"Described by: {by}, in {language_name(described['language'])}")
        lines += _asked_with(described)
    if spoken:
        pace = f"{spoken['rate']:g} words a minute" if spoken["rate"] else "the voice's own pace"
        to_do = f", {spoken['to_speak']} still to speak" if spoken["to_speak"] else ""
        lines.append(f"Spoken by: {spoken['name']}, at {pace}: {counted(spoken['cues'], 'cue')}{to_do}")
    recorded = found["recorded"]
    if recorded["cues"]:
        lines.append(f"Recorded by a person: {counted(len(recorded['cues']), 'cue')} ({cue_names(recorded['cues'])})")
    if recorded["out_of_date"]:
        lines.append(
            f"Recordings that are not heard, because the words have changed: {cue_names(recorded['out_of_date'])}"
        )
    return lines


def _asked_with(described: dict[str, Any]) -> list[str]:
    """What a model that is asked in words was told and shown, and what it will be if there is none yet."""
    prompt, told = described["prompt"], []
    if described["frames"]:  # of a scene: what others are told, they do not read
        told += ["the room in words"] if prompt["room"] else []
        told += ["the dialogue"] if prompt["dialogue"] else []
        told += ["the neighbouring shots"] if prompt["neighbours"] else []
        told += [f"stills of up to {prompt['still_size']} pixels"] if prompt["still_size"] > FRAME_SIZE else []
        told += ["two stages"] if described["two_stages"] else []
    lines = [f"Asked with: {', '.join(told)}"] if told else []
    lines += [f"Title for the model: {prompt['title']}"] if prompt["title"] else []
    return lines + ([f"Style for the model: {prompt['style']}"] if prompt["style"] else [])


def _model_name(model: str) -> str:
    """A model as people call it: of a path the last part, and nothing of what only another program compares."""
    return "a model without a name" if _HASH.fullmatch(model) else model.rstrip("/").rpartition("/")[2] or model


def _cues(found: dict[str, Any]) -> str:
    """How many cues there are, by whom, and how far they are."""
    by = found["cues"]["by"]
    words = {
        "model": "by the model",
        "adapter": "by the adapted model",
        "human": "by a person",
        "needs-work": "marked as needing work",
        "draft": "draft" if by.get("draft") == 1 else "drafts",
        "approved": "approved",
        "extended": "with a pause of the film",
    }
    kinds = ", ".join(f"{by[name]} {said}" for name, said in words.items() if by.get(name))
    return f"Cues: {found['cues']['total']}{f' ({kinds})' if kinds else ''}"


def _remarks(comments: list[dict[str, Any]]) -> list[str]:
    """What people remarked that is not dealt with yet."""
    if not comments:
        return []
    left = [one for one in comments if not one["done"]]
    lines = [f"Comments: {len(left)} not dealt with, {len(comments) - len(left)} dealt with"]
    lines += [f"  cue-{one['cue']}, {format_timecode(one['at_ms'])}: {one['text']}" for one in left[:_MOST_COMMENTS]]
    more = len(left) - _MOST_COMMENTS
    return [*lines, *([f"  and {more} more: `--json` lists them"] if more > 0 else [])]


def _show(found: dict[str, Any]) -> None:
    film, cues = found["film"], found["cues"]
    say(f"Film: {film['title']}, {format_timecode(film['duration_ms'])} long, {film['where']}")
    say(f"Shots: {found['shots']}")
    described = found["described"]
    source = "" if not (described and found["dialogue"]) else ", from subtitles"
    if source and not described["subtitles"]:
        source = ", found by listening"
    say(f"Dialogue: {counted(found['dialogue'], 'line')}{source}")
    say(f"Places for cues: {found['places_done']} of {found['places']} done")
    if found["unwritten"]:
        say(found["unwritten"])
    say(_cues(found))
    if set(cues["kinds"]) - {"picture"}:
        say(f"Kinds: {', '.join(f'{count} {kind}' for kind, count in cues['kinds'].items())}")
    for line in _remarks(found["comments"]):
        say(line)
    for line in _made_by(found):
        say(line)
    if found["choices"]:
        say("How the words for each place were chosen:")
    for choice, count in found["choices"].items():
        say(f"  {choice}{f', {_CHOICES[choice]}' if choice in _CHOICES else ''}: {count}")
    for note in found["notes"]:
        say(f"Note: {note}")
    for command, notes in found["notes_of"].items():
        for note in notes:
            say(f"Note of the last `calvin {command}`: {note}")
    done = [step for step in found["steps"] if not step["undone"]]
    if done:
        when = done[-1]["made_at"][:16].replace("T", " ")
        say(f"Last step: {done[-1]['what']}, {when} UTC; `calvin undo` takes it back")
    for decision in found.get("decisions", []):
        cue = f"cue-{decision['cue']}" if decision["cue"] else "no cue"
        say(f"{format_timecode(decision['start_ms'])}  {cue}  {decision['choice']}: {decision['why']}")
