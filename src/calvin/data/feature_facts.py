"""What a feature file says of its vectors: rate, encoder, width; and whether they are the ones wanted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calvin.core.errors import FeatureError
from calvin.core.types import FPS, EncoderIdentity
from calvin.data.feature_reading import FACTS, FORMAT

_UNKNOWN = EncoderIdentity("", "")
_MOST_FPS, _MOST_DIM = 1000, 1 << 20


@dataclass(frozen=True)
class FeatureFacts:
    """What the vectors of a file are; `notes` says what of it is assumed."""

    fps: float
    encoder: EncoderIdentity
    dim: int | None
    notes: tuple[str, ...] = ()


def _stated(path: Path, raw: dict[str, Any]) -> FeatureFacts:
    """What a file says of its vectors; every fact is checked here, before anything is made from it.

    Raises:
        FeatureError: not what a file of ours says.
    """
    try:
        facts = FeatureFacts(
            float(raw["fps"]), EncoderIdentity(str(raw["encoder_id"]), str(raw["encoder_hash"])), int(raw["dim"])
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FeatureError(f"{path} does not say what its vectors are: make the features again.") from error
    if not 0 < facts.fps <= _MOST_FPS or not 0 < (facts.dim or 0) <= _MOST_DIM:
        raise FeatureError(
            f"{path} says that its vectors are {facts.dim} wide, {facts.fps:g} a second: make the features again."
        )
    return facts


def settle_facts(path: Path, raw: dict[str, Any], fps: float | None, stated: tuple[str, str] | None) -> FeatureFacts:
    """What is to be taken for the facts of a file.

    Args:
        raw: what the file says.
        fps: the caller's rate, for files that say none.
        stated: the encoder of such files, as the caller states it.

    Raises:
        FeatureError: not what a file of ours says, or another rate than `fps`.
    """
    if "calvin_format" not in raw:
        note = f"{path.name} holds no frame rate: {FPS:g} frames per second, as in MAD, are assumed."
        return FeatureFacts(fps or FPS, EncoderIdentity(*(stated or _UNKNOWN)), None, () if fps else (note,))
    if str(raw["calvin_format"]) != FORMAT or not set(FACTS) <= raw.keys():
        raise FeatureError(f"{path} is of the form {raw['calvin_format']!r}, not {FORMAT!r}: make the features again.")
    facts = _stated(path, raw)
    held = facts.fps
    if fps is not None and abs(held - fps) > 1e-6:
        raise FeatureError(
            f"{path} was made at {held:g} frames per second, not {fps:g}: leave the rate out to use its own."
        )
    return facts


def check_facts(path: Path, held: FeatureFacts, encoder: tuple[str, str] | None, dim: int | None) -> None:
    """
    Raises:
        FeatureError: the features held are another encoder's, or of another width than `dim`.
    """
    _check_encoder(path, held.encoder, encoder)
    if dim is not None and held.dim != dim:
        raise FeatureError(
            f"{path} holds vectors of width {held.dim}, but {dim} are needed: make the features again with this "
            "model's vision tower."
        )


def _check_encoder(path: Path, held: EncoderIdentity, wanted: tuple[str, str] | None) -> None:
    """
    Raises:
        FeatureError: the features held are not those of the encoder wanted.
    """
    if wanted is None:
        return
    if held == _UNKNOWN:
        raise FeatureError(
            f"{path} does not say which encoder made it: state the encoder (stated_encoder) if you know that it is "
            f"{wanted[0]}, or make the features again."
        )
    needed = EncoderIdentity(*wanted)
    if (held.hash != needed.hash) if held.hash and needed.hash else (held.id != needed.id):
        raise FeatureError(
            f"{path} holds features of the encoder {held.id} ({held.hash[:12] or 'no hash'}), but this model needs "
            f"{needed.id} ({needed.hash[:12] or 'no hash'}): make them again with `calvin data features`."
        )
