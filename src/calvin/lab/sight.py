"""Whether a model still sees: sixty fixed scenes captioned and held against floors, in seconds.

A damaged file, another tower or a changed drawing leave a model that still writes captions, whose every form is right.
Only what happens in a scene tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from calvin.captioners.base import CaptionRequest
from calvin.captioners.calvin import Calvin
from calvin.core.prompts import Prompt
from calvin.core.types import Scene
from calvin.lab.material import truth_score
from calvin.puppets.draw.render import render_at
from calvin.puppets.lexicon import ACTIONS
from calvin.puppets.tell.screenplay import Scene as PuppetScene
from calvin.puppets.tell.screenplay import draw_cast, draw_scene, rng_for

SCENES = 60
_SEED = 60
_SECONDS = 3.6
FLOORS: Mapping[str, float] = {"action": 0.7, "prop": 0.8, "place": 0.95, "names of an entity prompt": 0.95}
"""Shares of the scenes below which a shipped model has no right to be; the first three are measured without context."""


def fixed_scenes(count: int = SCENES) -> list[PuppetScene]:
    """Scenes of held-out casts, every action in turn."""
    scenes = []
    for number in range(count):
        rng, action = rng_for(_SEED, "sight", number), ACTIONS[number % len(ACTIONS)]
        scenes.append(draw_scene(rng, "sight", number, 0, draw_cast(rng, 2, "heldout"), _SECONDS, action))
    return scenes


def look_again(captioner: Calvin, count: int = SCENES) -> dict[str, float]:
    """What the model sees of the fixed scenes: shares from 0 to 1 by the names of `FLOORS`."""
    scenes = fixed_scenes(count)
    times = np.linspace(0, _SECONDS, captioner.max_frames, endpoint=False).tolist()
    shown = [
        Scene(str(number), "sight", scene.truth.span, captioner.encode_frames(render_at(scene, times)))
        for number, scene in enumerate(scenes)
    ]
    alone = _marks(captioner, shown, [Prompt()] * len(shown), scenes)
    named = _marks(captioner, shown, [Prompt(entities=tuple(sorted(s.truth.present))) for s in scenes], scenes)
    seen = {aspect: _share([mark[aspect] for mark in alone]) for aspect in ("action", "prop", "place")}
    return {**seen, "names of an entity prompt": _share([mark["names_exact"] for mark in named])}


def below_floors(found: Mapping[str, float]) -> list[str]:
    """In words, where a model sees less than it must; nothing if it sees enough."""
    return [f"{what} {found[what]:.0%}, at least {least:.0%}" for what, least in FLOORS.items() if found[what] < least]


def _marks(
    captioner: Calvin, shown: Sequence[Scene], prompts: Sequence[Prompt], scenes: Sequence[PuppetScene]
) -> list[dict[str, float | None]]:
    requests = [CaptionRequest(scene, prompt) for scene, prompt in zip(shown, prompts, strict=True)]
    answers = captioner.caption(requests, num_beams=1)
    return [truth_score(answer.text, scene.truth) for answer, scene in zip(answers, scenes, strict=True)]


def _share(marks: Sequence[float | None]) -> float:
    """The mean of the marks that apply; of what no caption mentions any more, nothing is right."""
    applying = [mark for mark in marks if mark is not None]
    return sum(applying) / len(applying) if applying else 0.0
