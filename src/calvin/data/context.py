"""Previous captions as context: section 3.2 and Figure 8."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from calvin.data.samples import Sample

TRAINING_CONTEXT = 3
"""Scenes of context that the paper trains MAD with; more is test-time only (Figure 8)."""


def with_context(samples: Iterable[Sample], count: int = TRAINING_CONTEXT) -> list[Sample]:
    """Each sample with the `count` captions before it in its movie, oldest first, fewer near the start.

    Within a movie the result is in order of start, because some rows of the real files are not; movies stay in the
    order in which they first appear. Samples without a movie are returned unchanged, in their place at the end.
    """
    movies: dict[str, list[Sample]] = {}
    loose: list[Sample] = []
    for sample in samples:
        if sample.movie is None or sample.span is None:
            loose.append(sample)
        else:
            movies.setdefault(sample.movie, []).append(sample)
    result: list[Sample] = []
    for scenes in movies.values():
        scenes = in_order(scenes)
        for index, scene in enumerate(scenes):
            before = scenes[max(0, index - count) : index] if count > 0 else []
            result.append(replace(scene, context=tuple(earlier.caption for earlier in before)))
    return result + loose


def in_order(scenes: Iterable[Sample]) -> list[Sample]:
    """Scenes of one movie by start, then end; equal ones keep their order."""
    return sorted(scenes, key=lambda scene: (scene.span.start_ms, scene.span.end_ms) if scene.span else (0, 0))
