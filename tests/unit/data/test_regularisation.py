"""Regularisation files: names stripped, bound to an encoder, small; the bundled one fits the bundled model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import DataError, FeatureError
from calvin.core.time import Span
from calvin.data import MemoryFeatures, Sample
from calvin.data.entities import EntityStripper
from calvin.data.regularisation import bundled_regularisation, read_regularisation, write_regularisation

ENCODER = ("tower", "ab" * 32)


def test_scenes_are_drawn_stripped_and_read_back(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float16).astype(np.float32)
    features = MemoryFeatures({"film": vectors})
    samples = [
        Sample(str(i), "mad", "film", "video", f"Then Ann waves {i} times.", Span(i * 1000, i * 1000 + 1000))
        for i in range(8)
    ]
    path = tmp_path / "r.safetensors"
    args = (samples, features, ENCODER, EntityStripper(["Ann"]))
    assert write_regularisation(path, *args, count=5, max_frames=3) == 5
    scenes = read_regularisation(path, ENCODER)
    assert len({scene.caption for scene in scenes}) == 5
    for scene in scenes:
        number = int(scene.caption.removeprefix("Then someone waves ").removesuffix(" times."))
        np.testing.assert_array_equal(scene.image_embeds, features.scene("film", samples[number].span, 3))
    write_regularisation(path, *args, count=5, max_frames=3)
    assert [scene.caption for scene in read_regularisation(path, ENCODER)] == [scene.caption for scene in scenes]
    with pytest.raises(FeatureError, match="holds features of the encoder"):
        read_regularisation(path, ("other", "cd" * 32))
    with pytest.raises(DataError, match="0 of 8 scenes have frame vectors"):
        write_regularisation(path, samples, MemoryFeatures({}), ENCODER, EntityStripper())


def test_the_bundled_scenes_fit_the_bundled_model_and_name_nobody() -> None:
    from calvin.captioners.calvin import Calvin
    from calvin.puppets.lexicon import NAMES

    base = Calvin.from_pretrained()
    path = bundled_regularisation(base.encoder.hash)
    assert path is not None, "run `calvin data regularisation puppets` for the bundled model"
    assert path.stat().st_size < 1.5 * 2**20
    scenes = read_regularisation(path, base.encoder, base.max_frames)
    assert len(scenes) >= 100
    words = {word.strip(".,'s") for scene in scenes for word in scene.caption.split()}
    assert not words & set(NAMES)
    assert max(len(scene.image_embeds) for scene in scenes) <= base.max_frames
