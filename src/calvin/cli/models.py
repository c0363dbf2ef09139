"""`calvin models`: what can caption on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from typer import Option

from calvin.cli.console import say, warn
from calvin.core.errors import UsageError

if TYPE_CHECKING:
    from calvin.captioners.at_hand import Found
    from calvin.captioners.machine import Machine


def models(as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False) -> None:
    """List the models that can describe a film here: bundled ones, those fetched before, and servers.

    Looked at are the local cache of the Hugging Face hub and the usual ports of Ollama, LM Studio, llama.cpp and vLLM
    on this machine. Nothing is fetched or started. The time is for the captions of an hour of film, estimated from how
    fast this machine multiplies and reads memory, so it is rough.

    Examples:

        calvin models

        calvin describe film.mp4 --model auto
    """
    from calvin.captioners.at_hand import best, found
    from calvin.captioners.machine import this_machine

    machine = this_machine()
    listed = found(machine)
    try:
        chosen, why = best(listed)
        advice = f"--model auto takes {chosen.model}, because {why}."
    except UsageError as error:
        chosen, advice = None, str(error)
    if as_json:
        rows = [asdict(model) | {"usable": model.usable} for model in listed]
        document = {"machine": asdict(machine), "models": rows, "auto": chosen.model if chosen else None}
        say(json.dumps(document, indent=2, ensure_ascii=False))
        if chosen is None:
            warn(advice)
        return
    for line in lines(machine, listed):
        say(line)
    say(advice)


def lines(machine: Machine, listed: list[Found]) -> list[str]:
    """The machine on a line, then a line for each model, its name first."""
    from calvin.captioners.machine import gigabytes

    gpu = f"a GPU with {gigabytes(machine.gpu)} free" if machine.gpu else "no GPU that torch can use"
    first = f"This machine: {gigabytes(machine.memory)} of memory, {gigabytes(machine.free)} of it free; {gpu}."
    return [first, *map(line, listed)]


def line(model: Found) -> str:
    """A model in words, what is not known left out."""
    from calvin.captioners.machine import gigabytes

    said = [
        {"bundled": "comes with calvin", "cache": "fetched before", "server": ""}[model.where],
        model.about,
        gigabytes(model.size) if model.size else "",
        f"licence {model.licence}" if model.licence else "",
        f"needs {gigabytes(model.needed)} of memory" if model.needed and not model.trouble else "",
        f"an hour of film in about {about(model.hour_s)}" if model.hour_s and not model.trouble else "",
        "not known whether it sees pictures" if model.sees is None else "",
    ]
    told = ", ".join(part for part in said if part)
    return f"{model.model}: {told}." + (f" Cannot be used: {model.trouble}." if model.trouble else "")


def about(seconds: float) -> str:
    """'12 minutes', '3 hours': no more exact than an estimate is."""
    if seconds < 90:
        return "a minute"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{round(seconds / 3600)} hours"
