"""How a model that was not trained on audio description is asked for it: one prompt for all of them.

As in section 4.1 of the paper, an off-the-shelf model is shown what CALVIN is shown: the same previous captions, the
same names in the same words, the same question. What it cannot know, the style, is added.
"""

from __future__ import annotations

from collections.abc import Sequence

from calvin.captioners.base import CaptionRequest
from calvin.captioners.messages import Message, Part
from calvin.core.errors import DataError
from calvin.core.prompts import clean_line, entity_sentence
from calvin.core.time import sample_indices
from calvin.core.types import Frame

CONTEXT = "These lines of audio description came before this scene, oldest first:"
STYLE = (
    "Answer with one line of audio description for blind viewers: one short sentence in the present tense that says "
    "who does what. Call people by their names where you know them. Do not mention the camera, the video, the scene, "
    "the image or the frames. Write the sentence and nothing else."
)
UNSEEN = "You cannot see the scene. Say what most likely happens in it."


def build_message(request: CaptionRequest, frames: Sequence[Frame]) -> Message:
    """What to ask: previous captions, stills, names, question and style; without stills the model has to guess."""
    prompt = request.prompt
    lines = [line for line in map(_plain, prompt.context) if line]
    parts: list[Part] = ["\n".join([CONTEXT, *lines])] if lines else []
    parts += frames or [UNSEEN]
    asked = [_plain(entity_sentence(prompt.entities))] if prompt.entities else []
    if prompt.question and frames:
        asked.append(_plain(prompt.question))
    asked.append(STYLE)
    if request.max_words:
        asked.append(f"Use at most {request.max_words} words.")
    parts.append(" ".join(asked))
    return Message(tuple(parts))


def _plain(text: str) -> str:
    """Other people's words on one line, without the brackets that control tokens such as <video> are made of."""
    return clean_line(text).replace("<", "‹").replace(">", "›")


def stills(request: CaptionRequest, count: int) -> list[Frame]:
    """At most `count` stills of a request's scene, spread evenly.

    Raises:
        DataError: the scene has none.
    """
    frames = list(request.scene.frames()) if request.scene.frames is not None else []
    if not frames:
        raise DataError(f"Scene {request.scene.id} carries no stills, and this captioner looks at pictures.")
    return [frames[index] for index in sample_indices(0, len(frames), count)]
