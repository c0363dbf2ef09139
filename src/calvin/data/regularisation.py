"""Scenes of other films without names, for few-shot tuning (section 5.2): a small file for each vision encoder.

A safetensors file of frame vectors (a feature store that `FeatureStore` reads too) with the captions in its metadata.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

from calvin.core.errors import DataError, FeatureError
from calvin.core.package import ASSETS
from calvin.core.types import FPS, EncoderIdentity
from calvin.data.entities import EntityStripper
from calvin.data.feature_files import FeatureWriter
from calvin.data.features import Features, FeatureStore
from calvin.data.samples import Sample

COUNT = 200
FRAMES = 12


@dataclass(frozen=True, slots=True, eq=False)
class RegularScene:
    """A scene of some other film: its caption without names, and frame vectors [k, D]."""

    caption: str
    image_embeds: np.ndarray


def write_regularisation(
    path: Path,
    samples: Sequence[Sample],
    features: Features,
    encoder: EncoderIdentity,
    stripper: EntityStripper,
    count: int = COUNT,
    max_frames: int = FRAMES,
    seed: int = 0,
) -> int:
    """Draw scenes, strip their captions and write both to `path`, frame vectors as [k, D]; returns how many.

    Raises:
        DataError: fewer than two of the scenes have frame vectors, or the file is not a .safetensors.
    """
    if path.suffix != ".safetensors":
        raise DataError(f"Scenes for regularisation are kept in a .safetensors file, not in {path.name}.")
    usable = [sample for sample in samples if sample.kind == "video" and sample.media_id in features]
    if len(usable) < 2:
        raise DataError(f"{len(usable)} of {len(samples)} scenes have frame vectors: give the features of these films.")
    order = np.random.default_rng(seed).permutation(len(usable))[:count]
    scenes = [features.scene(usable[i].media_id, usable[i].span, max_frames) for i in order]
    with FeatureWriter(path, *encoder, FPS, scenes[0].shape[1]) as writer:
        captions: dict[str, str] = {}
        for number, (index, vectors) in enumerate(zip(order, scenes, strict=True)):
            name = f"{number:05d}"
            writer.add(name, vectors)
            captions[name] = stripper(usable[index].caption)
        writer.facts["captions"] = json.dumps(captions, ensure_ascii=False)
    return len(captions)


def read_regularisation(path: Path, expect_encoder: tuple[str, str], max_frames: int = FRAMES) -> list[RegularScene]:
    """The scenes of such a file, each with at most `max_frames` of its frames, evenly spread.

    Raises:
        FeatureError: not one, or made with another encoder.
    """
    with FeatureStore.open(path, expect_encoder=expect_encoder) as store:
        with safe_open(path, framework="numpy") as raw:
            captions = json.loads((raw.metadata() or {}).get("captions", "{}"))
        if sorted(captions) != sorted(store.ids):
            raise FeatureError(f"{path} holds no captions: build it with `calvin data regularisation`.")
        return [RegularScene(captions[name], store.scene(name, None, max_frames)) for name in store.ids]


def bundled_regularisation(encoder_hash: str) -> Path | None:
    """The file that came with the package for an encoder, or None."""
    path = ASSETS / "regularisation" / file_name(encoder_hash)
    return path if path.is_file() else None


def file_name(encoder_hash: str) -> str:
    return f"{encoder_hash[:12]}.safetensors"
