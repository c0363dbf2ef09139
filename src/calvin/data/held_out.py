"""Samples that training does not see, so that its loss on them tells learning from learning by heart."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace

from calvin.core.errors import ConfigError
from calvin.data.mixture import Source
from calvin.data.samples import Sample


def hold_out(sources: Sequence[Source], amount: float, seed: int = 0) -> tuple[list[Source], list[Source]]:
    """Each source without its held-out samples, and those samples by source.

    Whole films are held out, because the scenes of one resemble each other and are each other's context; of a source
    with one film only, its last scenes. Which ones depends on seed and ids alone.

    Args:
        amount: share of each source's samples if below 1, else their number; at least one, never all.

    Raises:
        ConfigError: a source has a single sample.
    """
    training, held = [], []
    for source in sources:
        if not source.samples:
            training.append(source)
            continue
        chosen = _chosen(source, amount, seed)
        training.append(replace(source, samples=[sample for sample in source.samples if id(sample) not in chosen]))
        # A broken sample counts where all samples are counted; among a few held out, it would be too large a share.
        kept = [sample for sample in source.samples if id(sample) in chosen]
        held.append(replace(source, samples=kept, max_bad_share=1.0))
    return training, held


def _chosen(source: Source, amount: float, seed: int) -> set[int]:
    count = len(source.samples)
    if count < 2:
        raise ConfigError(f"{source.name} has one sample, of which none can be held out: leave out evaluate_every.")
    wanted = min(count - 1, math.ceil(amount * count) if amount < 1 else round(amount))
    films: dict[str, list[Sample]] = {}
    for sample in source.samples:
        films.setdefault(sample.movie or sample.media_id, []).append(sample)
    if len(films) == 1:
        return {id(sample) for sample in source.samples[-wanted:]}
    order = sorted(films, key=lambda film: hashlib.blake2b(f"{seed}/{film}".encode(), digest_size=8).digest())
    chosen: list[Sample] = []
    for film in order:
        # One film more than was asked for would be too many where it is the bigger part of all that there is.
        if len(chosen) >= wanted or (chosen and len(chosen) + len(films[film]) > max(2 * wanted, 1)):
            break
        if len(chosen) + len(films[film]) < count:
            chosen += films[film]
    return {id(sample) for sample in chosen or source.samples[-wanted:]}
