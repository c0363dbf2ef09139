"""What users of transformers give a processor, brought into the form that CALVIN is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calvin.core.errors import DataError, UsageError
from calvin.core.prompts import PlainPrompt, Prompt
from calvin.core.time import sample_indices
from calvin.core.types import FRAME_SIZE

_CHAT_TEMPLATE = (
    "{%- set said = namespace(visual=false, parts=[]) -%}"
    "{%- for message in messages -%}"
    "{%- if message['content'] is string -%}"
    "{%- set said.parts = said.parts + [message['content']] -%}"
    "{%- else -%}{%- for item in message['content'] -%}"
    "{%- if item['type'] in ('image', 'video') -%}{%- set said.visual = true -%}"
    "{%- elif item['type'] == 'text' -%}{%- set said.parts = said.parts + [item['text']] -%}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{%- endfor -%}"
    "{{- '<visual>' if said.visual else '' -}}"
    "{{- ' ' if said.parts | length < 2 else '' -}}"
    "{{- said.parts | join(' ') -}}"
)
"""The visual, then everything that was said, oldest first, as the turns of LLaVA's conversations stand in training; one
question alone stands behind the single space of an empty context."""
VIDEO_FPS = 5.0
"""Stills a second that are read from a film, as everywhere in calvin."""
_LONGEST = 3000
"""Stills: ten minutes."""


def chat_template(mark: str) -> str:
    """The template of a processor whose placeholder is `mark`."""
    return _CHAT_TEMPLATE.replace("<visual>", mark)


def check_form(padding: bool | str, side: str | None, tensors: str | None, made: str) -> None:
    """Refuse what a processor of transformers may be asked for and this one does not make.

    Raises:
        UsageError: padding to a length or on the other side, or arrays other than torch's.
    """
    if padding not in (True, False, "longest"):
        raise UsageError(f"padding={padding!r} cannot be had: rows are padded to the longest of them.")
    if side not in (None, made):
        raise UsageError(f"Rows are padded on the {made} here, so leave padding_side out.")
    if tensors not in (None, "pt"):
        raise UsageError(f"return_tensors={tensors!r} cannot be had: rows are torch's tensors ('pt').")


def prompt_of(text: str, visual: bool, mark: str) -> Prompt | PlainPrompt:
    """A row's text as a prompt: a question, or behind the placeholder `mark` the whole prompt.

    Raises:
        DataError: several placeholders, one behind words, or one without a visual.
    """
    if mark not in text:
        return Prompt(question=text.strip()) if text.strip() else Prompt(question=None)
    before, _, after = text.partition(mark)
    if before.strip() or mark in after:
        raise DataError(f"The placeholder {mark} stands once, before all words of a prompt, because the visual does.")
    if not visual:
        raise DataError(f"A text holds {mark}, but its row has no visual: give images, videos or image_embeds.")
    return PlainPrompt(after)


def rows_of(kind: str, given: Any, count: int, most: int) -> list[Any]:
    """One visual for each of `count` rows, from what was given for all of them.

    Args:
        kind: "images", "frames", "videos" or "image_embeds".
        most: frames that are taken of a video.

    Raises:
        UsageError: several images for one row, or an address of the network.
    """
    if kind == "image_embeds":
        single = count == 1 and getattr(given, "ndim", 0) == 2
        return [given] if single else list(given)
    if kind == "frames":
        return list(given)
    if kind == "images":
        rows = [given] if _is_image(given) else list(given)
        return [_image(row) for row in rows]
    rows = [given] if _is_video(given) else list(given)
    return [_frames(row, most) for row in rows]


def _is_image(value: Any) -> bool:
    return isinstance(value, (str, Path)) or hasattr(value, "convert") or getattr(value, "ndim", 0) == 3


def _is_video(value: Any) -> bool:
    if isinstance(value, (str, Path)) or getattr(value, "ndim", 0) == 4:
        return True
    # A list of stills is one video; files in a list are several.
    return isinstance(value, (list, tuple)) and bool(value) and not isinstance(value[0], str) and _is_image(value[0])


def _image(row: Any) -> Any:
    """A row's image; chats give each row a list."""
    if isinstance(row, (list, tuple)):
        if len(row) > 1:
            raise UsageError(f"A row has one visual, not {len(row)} images: give frames of one film as videos.")
        return _image(row[0]) if row else None
    if not isinstance(row, (str, Path)):
        return _as_rgb(row)
    from calvin.media.film.sampling import read_image

    return read_image(_local(row), FRAME_SIZE)


def _frames(row: Any, most: int) -> list[Any] | None:
    """A row's stills, at most as many as the model takes."""
    if row is None or (isinstance(row, (list, tuple)) and not row):
        return None
    if isinstance(row, (list, tuple)) and not _is_video(row):
        if len(row) > 1:
            raise UsageError(f"A row has one visual, not {len(row)} videos: give a row for each.")
        return _frames(row[0], most)
    stills: Sequence[Any] = _read(row) if isinstance(row, (str, Path)) else row
    return [_as_rgb(stills[index]) for index in sample_indices(0, len(stills), most)]


def _as_rgb(picture: Any) -> Any:
    """Torch gives pictures with their colours first."""
    if hasattr(picture, "detach"):
        picture = picture.detach().cpu().numpy()
    if getattr(picture, "ndim", 0) == 3 and picture.shape[0] == 3 and picture.shape[-1] != 3:
        return np.moveaxis(picture, 0, -1)
    return picture


def _read(path: str | Path) -> list[np.ndarray]:
    from calvin.media.film.sampling import iter_clip_frames

    stills = []
    for _, rgb in iter_clip_frames(_local(path), VIDEO_FPS, FRAME_SIZE):
        stills.append(rgb)
        if len(stills) > _LONGEST:
            raise UsageError(f"{path} lasts over ten minutes: `calvin describe` is for whole films.")
    return stills


def _local(path: str | Path) -> Path:
    if "://" in str(path):
        raise UsageError(f"{path} is an address: fetch the file first, nothing is read from the network here.")
    return Path(path)
