"""A recipe without one part of the cleaning of Appendix A, and nothing else changed: what is that part worth?

The paper says that each of them helped and gives no figures, so these are rows of our own beside its Table 3.
"""

from __future__ import annotations

from collections.abc import Mapping

from calvin.core.errors import ConfigError
from calvin.data.cleaning import LeftIn
from calvin.training.steps import Recipe, StageStep

LEFT_IN: Mapping[LeftIn, str] = {
    "numbers": "dates and sizes left in WebVid's captions",
    "boxes": "turns about box coordinates left in LLaVA's conversations",
    "credits": "described credits left in MAD's films",
}
"""What may be left in, and where it stands."""


def leaving_in(recipe: Recipe, what: str) -> Recipe:
    """The recipe with something left in that the cleaning takes away, in each of its stages.

    A recipe with a world learns from what its world holds: half of the clips' captions have a date or a size, each
    conversation two turns about a box, and every third training film described credits.

    Raises:
        ConfigError: the cleaning knows no such thing.
    """
    if what not in LEFT_IN:
        raise ConfigError(f"The cleaning takes away {', '.join(LEFT_IN)}, and no {what!r}.")
    kept: LeftIn = what  # type: ignore[assignment]
    ending, about = f"-with-{what}", f"{recipe.about}, with {LEFT_IN[kept]}"
    steps = [
        _stage(step, kept, ending, rename=recipe.world is None) if isinstance(step, StageStep) else step
        for step in recipe.steps
    ]
    return recipe.changed(name=recipe.name + ending, about=about, steps=[step.model_dump() for step in steps])


def _stage(step: StageStep, what: LeftIn, ending: str, rename: bool) -> StageStep:
    changed = step.with_changes(leave_in=(what,))
    if not rename:
        return changed
    words = f"{step.about}, with {LEFT_IN[what]}"
    return changed.with_changes(name=step.name + ending, about=words, row="a row of our own, on Appendix A")
