"""Scenes with stills."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from calvin.core.time import Span
from calvin.core.types import Frame, Scene
from calvin.media.film.frames import encode_jpeg


@pytest.fixture(scope="session")
def make_scene() -> Callable[..., Scene]:
    """make_scene(count, start_ms=0): a scene of so many stills at 5 a second, each of its own."""

    def make(count: int, start_ms: int = 0) -> Scene:
        rng = np.random.default_rng(start_ms)
        pictures = rng.integers(0, 255, (count, 24, 32, 3)).astype(np.uint8)
        frames = [Frame(start_ms + 200 * i, encode_jpeg(picture)) for i, picture in enumerate(pictures)]
        span = Span(start_ms, start_ms + 200 * count)
        return Scene(f"at-{start_ms}", "film", span, rng.normal(size=(count, 24)).astype(np.float32), lambda: frames)

    return make
