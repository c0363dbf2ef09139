"""Options on what video LLMs and model servers are asked with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from calvin.core.errors import UsageError

TITLE = Annotated[str | None, Option(help="The film's title, told to video LLMs and servers; none: without.")]
STYLE = Annotated[str | None, Option(help="Rules for them in your words: a sentence, or a text file; none: without.")]
ROOM = Annotated[bool | None, Option("--room/--no-room", help="Tell them how many words fit.", show_default="room")]
DIALOGUE = Annotated[
    bool | None,
    Option("--dialogue/--no-dialogue", help="Tell them what is said around a gap.", show_default="dialogue"),
]
NEIGHBOURS = Annotated[
    bool | None,
    Option(
        "--neighbours/--no-neighbours",
        help="Show them the shots before and after as well.",
        show_default="no-neighbours",
    ),
]
STILL_SIZE = Annotated[
    int | None,
    Option(
        help="Longer side of the stills they see, in pixels; 224: small ones.", min=224, max=768, show_default="768"
    ),
]
TWO_STAGE = Annotated[
    bool | None,
    Option(
        "--two-stage/--one-stage",
        help="Have them describe a scene in full, then write a cue from that.",
        show_default="one-stage",
    ),
]
_LARGEST = 20_000


def prompt_wish(
    title: str | None, style: str | None, room: bool | None, dialogue: bool | None, neighbours: bool | None,
    size: int | None,
) -> dict[str, object] | None:  # fmt: skip
    """What is asked for of the questions, and nothing of the rest; None where nothing is.

    Raises:
        UsageError: the file of a style cannot be read.
    """
    asked: dict[str, object] = {"title": title, "style": None if style is None else style_text(style), "room": room}
    asked |= {"dialogue": dialogue, "neighbours": neighbours, "still_size": size}
    asked = {name: value for name, value in asked.items() if value is not None}
    return asked or None


def style_text(style: str) -> str:
    """A style's words: those of the file that it names, else itself.

    Raises:
        UsageError: it looks like the name of a file, and there is none, or it is no text.
    """
    path = Path(style)
    try:
        if len(style) < 1000 and path.is_file():
            if path.stat().st_size > _LARGEST:
                raise UsageError(f"{path} is too long for a style: keep to the rules that matter most.")
            return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UsageError(f"The style {path} cannot be read: save it as text in UTF-8.") from error
    if path.suffix.lower() in (".txt", ".md") and len(style.split()) == 1:
        raise UsageError(f"There is no file {style}: name one that is there, or write the style itself.")
    return style
