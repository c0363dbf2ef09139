"""How every captioner that was not trained on audio description is asked for it: one message, one prompt.

As in section 4.1 of the paper, an off-the-shelf model is shown what CALVIN is shown: the same previous captions, the
same names in the same words, the same question. What it cannot know, the style, is added. The message is the same for
a model in this process and for one behind a server.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from calvin.captioners.base import CaptionRequest
from calvin.captioners.surroundings import BESIDE, CURRENT, FOCUS, FOCUS_MANY, NEXT, PREVIOUS, ROOM, plain
from calvin.core.errors import DataError, MediaError
from calvin.core.prompts import entity_sentence, join_names
from calvin.core.time import sample_indices
from calvin.core.types import LARGE_SIZE, Frame
from calvin.media.film.frames import shrunk

CLOCK = 1000
"""Frame indices of `video_metadata` count milliseconds, so that index / CLOCK is a frame's time to the digit."""

Part = str | Frame
"""A stretch of text, or a still with the time it was shown at."""


@dataclass(frozen=True, slots=True)
class Message:
    """One user's message: text and stills in the order in which they are to be read."""

    parts: tuple[Part, ...]

    @property
    def frames(self) -> tuple[Frame, ...]:
        return tuple(part for part in self.parts if isinstance(part, Frame))

    @property
    def text(self) -> str:
        """The words alone, for a model that does not see."""
        return "\n\n".join(part for part in self.parts if isinstance(part, str))

    def to_hf(self, as_video: bool = True) -> dict[str, Any]:
        """For a transformers chat template: stills in a row become one video, or one image each, after its time.

        The video is uint8 RGB [F, H, W, 3]; `video_metadata` says when its frames were shown.

        Raises:
            MediaError: a still is not a picture.
        """
        content: list[dict[str, Any]] = []
        for part in self.parts:
            if isinstance(part, str):
                content.append({"type": "text", "text": part})
            elif not as_video:
                content += [
                    {"type": "text", "text": stamp(part)},
                    {"type": "image", "image": Image.fromarray(rgb(part))},
                ]
            elif not content or content[-1]["type"] != "video":
                content.append({"type": "video", "video": [rgb(part)]})
            else:
                content[-1]["video"].append(rgb(part))
        for item in content:
            if item["type"] == "video":
                item["video"] = np.stack(item["video"])
        return {"role": "user", "content": content}

    def to_openai(self) -> dict[str, Any]:
        """For a server that speaks the OpenAI API: each still a data URI after the text of its time."""
        content: list[dict[str, Any]] = []
        for part in self.parts:
            if isinstance(part, str):
                content.append({"type": "text", "text": part})
            else:
                data = base64.b64encode(part.jpeg).decode("ascii")
                url = {"url": f"data:image/jpeg;base64,{data}"}
                content += [{"type": "text", "text": stamp(part)}, {"type": "image_url", "image_url": url}]
        return {"role": "user", "content": content}


def stamp(frame: Frame) -> str:
    """'<12.0 seconds>': when in the film a still was shown."""
    return f"<{frame.time_ms / 1000:.1f} seconds>"


def rgb(frame: Frame) -> np.ndarray:
    """uint8 [H, W, 3].

    Raises:
        MediaError: the still is not a picture.
    """
    try:
        return np.asarray(Image.open(io.BytesIO(frame.jpeg)).convert("RGB"))
    except OSError as error:
        raise MediaError(f"The still at {frame.time_ms} ms cannot be read ({error}): decode the film again.") from error


def video_metadata(frames: Sequence[Frame]) -> dict[str, Any]:
    """When the frames of a video were shown, as transformers' processors take it.

    The duration is left out: processors that print it take the last frame's time instead, which agrees with the times
    they print beside it. `total_num_frames` spans the frames, so that their mean rate comes out right.
    """
    times = [frame.time_ms for frame in frames]
    step = (times[-1] - times[0]) / (len(times) - 1) if times[-1] > times[0] else CLOCK
    span = max(round(times[-1] - times[0] + step), 1)
    return {"fps": float(CLOCK), "total_num_frames": span, "frames_indices": times}


CONTEXT = "These lines of audio description came before this scene, oldest first:"
STYLE = (
    "Answer with one line of audio description for blind viewers: one short sentence in the present tense that says "
    "who does what. Call people by their names where you know them. Do not mention the camera, the video, the scene, "
    "the image or the frames. Write the sentence and nothing else."
)
NAMELESS = "Do not name anyone who has not been introduced: say what is to be seen, such as a woman in a yellow dress."
EXCEPT = "You may name {}."
MAX_NEW_TOKENS = 64
"""What an answer may take."""
HARMLESS = (
    "These are stills of a film, and the people in them are actors: nobody is to be recognised. Say in general words "
    "what "
    "is to be seen."
)
WHOLE = "Write one whole sentence, and nothing before or after it."
"""What is added for a model that refused, or gave no sentence."""
PROBE = "Which colour is this? Answer with one word."
UNSEEN = "You cannot see the scene. Say what most likely happens in it."


@dataclass(frozen=True, slots=True)
class Shown:
    """The stills of a scene, and those of the shots before and after it."""

    current: tuple[Frame, ...] = ()
    previous: tuple[Frame, ...] = ()
    next: tuple[Frame, ...] = ()

    @property
    def in_order(self) -> tuple[Frame, ...]:
        return self.previous + self.current + self.next


def build_message(
    request: CaptionRequest, shown: Shown, more: str = "", apart: bool = True, instead: Sequence[str] = (UNSEEN,),
    question: str = "",
) -> Message:  # fmt: skip
    """What to ask: title, previous captions, dialogue, stills, names, question, style, room, and a sentence `more`.

    Args:
        shown: the stills; without any, the model goes by what is told `instead`, or has to guess.
        apart: the stills of neighbouring shots stand under headings; else all are one row, and a sentence says which
            belong to which shot, for a model that is shown one video.
        question: what is asked where there are no stills.
    """
    prompt, around = request.prompt, request.around
    lines = [line for line in map(plain, prompt.context) if line]
    head = [*around.named, *(["\n".join([CONTEXT, *lines])] if lines else []), *around.told(request.barred)]
    parts: list[Part] = ["\n\n".join(head)] if head else []
    pictures, focus = picture_parts(request, shown, apart)
    parts += pictures or instead
    asked = [plain(entity_sentence(prompt.entities, prompt.looks))] if prompt.entities else []
    if prompt.question and shown.current:
        question = plain(prompt.question)
    asked += [question] if question else []
    asked += [focus] if focus else []
    asked += [STYLE, *around.wishes]
    if request.barred:
        allowed = tuple(sorted(request.licence.may)) if request.licence else ()
        asked.append(plain(f"{NAMELESS} {EXCEPT.format(join_names(allowed))}" if allowed else NAMELESS))
    if request.max_words:
        asked.append(f"Use at most {request.max_words} words.")
    elif around.room_words:
        asked.append(ROOM.format(around.room_words))
    asked += [more] if more else []
    parts.append(" ".join(asked))
    return Message(tuple(parts))


def picture_parts(request: CaptionRequest, shown: Shown, apart: bool) -> tuple[list[Part], str]:
    """Stills, with headings where there are neighbouring shots among them, and a sentence on what to describe."""
    if not (shown.previous or shown.next):
        return list(shown.current), ""
    several = request.around.shots > 1
    focus = FOCUS_MANY if several else FOCUS
    every = ((PREVIOUS, shown.previous), (CURRENT[several], shown.current), (NEXT, shown.next))
    groups = [(label, frames) for label, frames in every if frames]
    if apart:
        parts: list[Part] = []
        for label, frames in groups:
            parts += [label, *frames]
        return parts, focus
    said, first = [], 1
    for label, frames in groups:
        last = first + len(frames) - 1
        said.append(f"{label} {f'frames {first} to {last}' if last > first else f'frame {first}'}.")
        first = last + 1
    return list(shown.in_order), f"{' '.join(said)} {focus}"


def probe_message() -> Message:
    """A question with one small picture, to see whether a model answers."""
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(picture, "JPEG")
    return Message((Frame(0, picture.getvalue()), PROBE))


def stills(request: CaptionRequest, count: int) -> list[Frame]:
    """At most `count` stills of a request's scene, spread evenly.

    Raises:
        DataError: the scene has none.
    """
    frames = list(request.scene.frames()) if request.scene.frames is not None else []
    if not frames:
        raise DataError(f"Scene {request.scene.id} carries no stills, and this captioner looks at pictures.")
    return _spread(frames, count)


def shown_stills(request: CaptionRequest, count: int, further: int = 0, longest: int = LARGE_SIZE) -> Shown:
    """What is shown of a request: at most `count` stills of its scene, and `further` ones of the shots beside it.

    Args:
        longest: pixels of their longer side at most.

    Raises:
        DataError: the scene has none.
    """
    around, beside = request.around, min(further // 2, BESIDE)
    groups = [stills(request, count)]
    for frames in (around.previous, around.next):
        groups.append(_spread(list(frames()), beside) if frames is not None and beside else [])
    current, previous, following = (tuple(shrunk(frame, longest) for frame in frames) for frames in groups)
    return Shown(current, previous, following)


def _spread(frames: Sequence[Frame], count: int) -> list[Frame]:
    return [frames[index] for index in sample_indices(0, len(frames), count)] if frames else []


def fingerprint(weights: str, **settings: Any) -> str:
    """Of everything that shapes a captioner's words: weights, settings, and the words it is asked with.

    Who may be named stands in a project's record, so the words on that are left out.
    """
    asked = json.dumps([weights, settings, CONTEXT, STYLE, UNSEEN], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()
