"""Samples that training does not see, so that its loss on them tells learning from learning by heart."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from tempfile import TemporaryFile

import numpy as np

from calvin.core.errors import ConfigError
from calvin.data.mixture import Source
from calvin.data.sample_table import SampleTable
from calvin.data.samples import Sample

_AT_ONCE = 2**20


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
        places = _chosen(source, amount, seed)
        rest, kept = _split(source.samples, places)
        training.append(replace(source, samples=rest))
        # A broken sample counts where all samples are counted; among a few held out, it would be too large a share.
        held.append(replace(source, samples=kept, max_bad_share=1.0))
    return training, held


def _split(samples: Sequence[Sample], places: np.ndarray) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """All samples but those at `places`, int64, and those."""
    if isinstance(samples, SampleTable):
        return samples.without(places), samples.only(places)
    chosen = set(places.tolist())
    rest = [sample for place, sample in enumerate(samples) if place not in chosen]
    return rest, [samples[place] for place in places]


def _chosen(source: Source, amount: float, seed: int) -> np.ndarray:
    """Places of the samples to hold out, int64, increasing."""
    count = len(source.samples)
    if count < 2:
        raise ConfigError(f"{source.name} has one sample, of which none can be held out: leave out evaluate_every.")
    samples, wanted = source.samples, min(count - 1, math.ceil(amount * count) if amount < 1 else round(amount))
    if not isinstance(samples, SampleTable):
        return _of_films(samples, wanted, seed)
    found = samples.kept(
        "held-out", lambda: {"places": _of_films(samples, wanted, seed).tolist()}, str(wanted), str(seed)
    )
    return np.array(found["places"], np.int64)


def _of_films(samples: Sequence[Sample], wanted: int, seed: int) -> np.ndarray:
    """Places of about `wanted` samples, int64, increasing."""
    count = len(samples)
    last = np.arange(count - wanted, count)
    # Films come in the order of these numbers, which take less memory than a list of the films of millions of images.
    numbers = np.fromiter((_number(seed, sample) for sample in samples), np.uint64, count)
    with TemporaryFile() as unsorted:
        unsorted.write(numbers.data)
        numbers.sort()
        if numbers[0] == numbers[-1]:
            return last
        films = _films_taken(numbers, wanted)
        del numbers
        unsorted.seek(0)
        found = []
        while part := unsorted.read(8 * _AT_ONCE):
            found.append(np.isin(np.frombuffer(part, np.uint64), films))
    return np.flatnonzero(np.concatenate(found)) if len(films) else last


def _films_taken(numbers: np.ndarray, wanted: int) -> np.ndarray:
    """The numbers of the films to take, of those of all samples, sorted, uint64 [n]."""
    chosen, start, taken = 0, 0, list[int]()
    while start < len(numbers):
        end = int(np.searchsorted(numbers, numbers[start], side="right"))
        size = end - start
        # One film more than was asked for would be too many where it is the bigger part of all that there is.
        if chosen >= wanted or (chosen and chosen + size > max(2 * wanted, 1)):
            break
        if chosen + size < len(numbers):
            chosen += size
            taken.append(int(numbers[start]))
        start = end
    return np.array(taken, np.uint64)


def _number(seed: int, sample: Sample) -> int:
    film = f"{seed}/{sample.movie or sample.media_id}".encode()
    return int.from_bytes(hashlib.blake2b(film, digest_size=8).digest())
