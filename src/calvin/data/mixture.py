"""Weighted mixture of sources into batches that are all-image, all-video or all-text.

The batch of a step is a pure function of (seed, step): nothing is remembered, so a run that was killed and resumed,
and each of many processes, sees exactly the batches it should. Each source is shuffled again every epoch and drawn
from without replacement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from calvin.core.errors import ConfigError, DataError
from calvin.core.tokens import IGNORE_INDEX, Encoded, TokenLayout
from calvin.data.features import Features
from calvin.data.instructions import Example, Instructions
from calvin.data.sample_table import SampleTable, digest_of
from calvin.data.samples import DropReport, Kind, Sample
from calvin.data.usable import find_unusable

if TYPE_CHECKING:
    from torch import Tensor

BATCH_SIZES: Mapping[Kind, int] = {"image": 12, "video": 6, "text": 16}
"""Per GPU in stage 2 (section 4); the size of text batches is ours."""

_BLOCK = 200  # steps in which each source has exactly its share of batches
_ENCODINGS_KEPT = 20_000
_TRIES = 20  # stand-ins tried for a sample that turns out bad
_LONG = 2**20  # samples from which on a source's order takes memory worth counting


@dataclass(frozen=True)
class Source:
    """One data set of the mixture.

    `weight` is the share of batches, relative to the other sources. A text source may give `texts` instead of
    samples: the examples of its n-th batch, a pure function of n. `vary` rewords a sample for each epoch (other
    words, other names), a pure function of both; what it gives as an example keeps the prompt that it has. `report`
    accounts for what was left out so far: what is broken in it counts against `max_bad_share` (None: the mixture's).
    """

    name: str
    kind: Kind
    samples: Sequence[Sample] = ()
    features: Features | None = None
    weight: float = 1.0
    texts: Callable[[int], Sequence[Example | Encoded]] | None = None
    vary: Callable[[Sample, int], Sample | Example] | None = None
    report: DropReport = field(default_factory=DropReport)
    max_bad_share: float | None = None

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ConfigError(f"The weight of {self.name} is {self.weight}; it must not be negative.")
        if self.kind != "text" and self.features is None:
            raise ConfigError(f"The source {self.name} of kind {self.kind} needs features.")
        if isinstance(self.samples, SampleTable) and self.samples.kinds <= {self.kind}:
            return
        wrong = next((sample for sample in self.samples if sample.kind != self.kind), None)
        if wrong is not None:
            raise ConfigError(f"The source {self.name} is all-{self.kind}, but its sample {wrong.id} is {wrong.kind}.")


class Mixture:
    """Batches from several sources, by step.

    Args:
        layout: how the model's sequences are laid out.
        instructions: how samples become prompts.
        batch_sizes: samples per batch, by kind; kinds left out have the paper's.
        max_frames: frame vectors per sample at most.
        max_bad_share: share of a source's samples that may lack features or be broken before training stops, where the
            source does not say its own.

    Raises:
        ConfigError: no source has samples and weight.
        DataError: too many samples of a source are bad.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        layout: TokenLayout,
        *,
        instructions: Instructions | None = None,
        batch_sizes: Mapping[Kind, int] = BATCH_SIZES,
        seed: int = 0,
        max_frames: int = 32,
        max_bad_share: float = 0.01,
        pad_token_id: int = 0,
    ) -> None:
        self.instructions = instructions or Instructions(seed=seed)
        self.batch_sizes = {**BATCH_SIZES, **batch_sizes}
        self.seed, self.max_frames, self.max_bad_share = seed, max_frames, max_bad_share
        self.pad_token_id = pad_token_id
        self.report = DropReport()
        self._encode = lru_cache(_ENCODINGS_KEPT)(layout.encode)
        self._shuffled = lru_cache(2 * len(sources) + 2)(self._permutation)
        self._orders: dict[str, tuple[int, np.ndarray]] = {}
        self._bad: dict[str, set[str]] = {}
        self._left_out: dict[str, int] = {}
        self._given = {source.name: source for source in sources}
        if len(self._given) != len(sources):
            raise ConfigError("Sources of a mixture need different names.")
        present = [self._with_features(source) for source in sources if source.weight > 0]
        self.sources = [source for source in present if source.samples or source.texts]
        if not self.sources:
            raise ConfigError("The mixture has no source with samples and a weight above zero.")
        self._quota = _apportion([source.weight for source in self.sources], _BLOCK)
        self._slots = np.repeat(np.arange(len(self.sources)), self._quota)

    @property
    def identity(self) -> dict[str, Any]:
        """What must be equal for a run to be resumed, for JSON."""
        return {
            "seed": self.seed,
            "max_frames": self.max_frames,
            "batch_sizes": {str(kind): size for kind, size in self.batch_sizes.items()},
            "instructions": repr(self.instructions),
            "sources": [
                {
                    "name": source.name,
                    "kind": source.kind,
                    "weight": source.weight,
                    "samples": digest_of(source.samples),
                }
                | ({"vary": repr(source.vary)} if source.vary else {})
                for source in self.sources
            ],
        }

    def source_at(self, step: int) -> tuple[Source, int]:
        """The source of a step's batch, and how many batches it gave before."""
        block, offset = divmod(step, _BLOCK)
        order = self._slots[self._shuffled("block of steps", block, _BLOCK)]
        which = int(order[offset])
        return self.sources[which], block * self._quota[which] + int((order[:offset] == which).sum())

    def batch_at(self, step: int) -> dict[str, Tensor]:
        """The batch of a step: tokens [B, L] and, for films and images, frames [B, F, D]; see `collate`.

        Raises:
            DataError: more than `max_bad_share` of a source's samples are bad.
        """
        source, number = self.source_at(step)
        if source.texts is not None:
            examples = source.texts(number)
            return collate([self._encoded(example) for example in examples], None, self.pad_token_id)
        size = self.batch_sizes[source.kind]
        pairs = [self._usable(source, position) for position in range(number * size, (number + 1) * size)]
        embeds = [array for _, array in pairs if array is not None]
        return collate([encoded for encoded, _ in pairs], embeds or None, self.pad_token_id)

    def once(self) -> Iterator[dict[str, Tensor]]:
        """Every usable sample once, source after source in the files' order, as batches of `batch_at`."""
        for source in self.sources:
            size, pairs = self.batch_sizes[source.kind], list[tuple[Encoded, np.ndarray | None]]()
            for number, sample in enumerate(source.samples, 1):
                with suppress(DataError):
                    pairs.append(self._pair(source, sample, 0))
                if pairs and (len(pairs) == size or number == len(source.samples)):
                    embeds = [array for _, array in pairs if array is not None]
                    yield collate([encoded for encoded, _ in pairs], embeds or None, self.pad_token_id)
                    pairs = []

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        step = 0
        while True:
            yield self.batch_at(step)
            step += 1

    def _encoded(self, example: Example | Encoded) -> Encoded:
        if isinstance(example, Encoded):
            return example
        return self._encode(example.prompt, example.caption, example.visual)

    def _usable(self, source: Source, position: int) -> tuple[Encoded, np.ndarray | None]:
        """The sample at a position of the source's endless order, or a stand-in where it turns out bad."""
        epoch, place = divmod(position, len(source.samples))
        for attempt in range(_TRIES):
            if attempt:
                place = int(self._rng("stand-in", source.name, position, attempt).integers(len(source.samples)))
            sample = source.samples[int(self._order(source.name, epoch, len(source.samples))[place])]
            try:
                return self._pair(source, sample, epoch)
            except DataError as error:
                self._count_bad(source.name, sample.id, str(error))
        raise DataError(f"{_TRIES} samples of {source.name} in a row cannot be used.\n{self.report.summary()}")

    def _pair(self, source: Source, sample: Sample, epoch: int) -> tuple[Encoded, np.ndarray | None]:
        """A sample laid out, and its frame vectors [k, D] if it has any."""
        varied = source.vary(sample, epoch) if source.vary else sample
        encoded = self._encoded(varied if isinstance(varied, Example) else self.instructions(varied, epoch))
        if source.kind == "text" or source.features is None:
            return encoded, None
        return encoded, source.features.scene(sample.media_id, sample.span, self.max_frames)

    def _with_features(self, source: Source) -> Source:
        """The source without the samples whose features are missing, or end before the sample does."""
        if source.features is None or not source.samples:
            return source
        kept, self._bad[source.name], self._left_out[source.name] = find_unusable(
            source.name, source.samples, source.features, self.report
        )
        if len(kept) < len(source.samples):
            self._check_share(source.name)
        return replace(source, samples=kept)

    def _count_bad(self, source: str, sample_id: str, problem: str) -> None:
        if sample_id not in self._bad.get(source, ()):
            self._bad.setdefault(source, set()).add(sample_id)
            self.report.drop(f"unusable, source {source}", problem)
            self._check_share(source)

    def _check_share(self, source: str) -> None:
        given = self._given[source]
        share = self.max_bad_share if given.max_bad_share is None else given.max_bad_share
        unusable = len(self._bad.get(source, ())) + self._left_out.get(source, 0)
        check_share(source, given.report.bad + unusable, len(given.samples) - unusable, share, self.report)

    def _order(self, name: str, epoch: int, count: int) -> np.ndarray:
        """The order of a source's samples in an epoch, int [count]; of a long one, only the last is kept."""
        if count < _LONG:
            return self._shuffled(name, epoch, count)
        if name not in self._orders or self._orders[name][0] != epoch:
            self._orders.pop(name, None)  # before the next is made, or there would be two
            self._orders[name] = epoch, self._permutation(name, epoch, count)
        return self._orders[name][1]

    def _permutation(self, name: str, epoch: int, count: int) -> np.ndarray:
        """The same numbers as `permutation(count)` gives, in half the memory."""
        order = np.arange(count, dtype=np.uint32 if count <= 2**32 else np.int64)
        self._rng(name, epoch).shuffle(order)
        return order

    def _rng(self, *parts: object) -> np.random.Generator:
        key = "/".join(map(str, (self.seed, *parts))).encode()
        return np.random.default_rng(int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()))


def collate(
    encoded: Sequence[Encoded], embeds: Sequence[np.ndarray] | None = None, pad_token_id: int = 0
) -> dict[str, Tensor]:
    """One batch, padded on the right to its longest sample.

    Args:
        encoded: ids and labels of B samples.
        embeds: their frame vectors, each [k, D]; None for a text batch.

    Returns:
        input_ids, attention_mask, labels: int64 [B, L]; with `embeds` also image_embeds float32 [B, F, D] and
        frame_mask int64 [B, F], 1 for a real frame.

    Raises:
        DataError: no samples, as many embeds as samples not given, or vectors of different widths.
    """
    import torch  # here, because annotations and stored features are also read where there is no need of it
    from torch.nn.utils.rnn import pad_sequence

    if not encoded:
        raise DataError("A batch needs at least one sample.")

    def padded(rows: Iterable[Sequence[int]], value: int) -> Tensor:
        return pad_sequence(
            [torch.tensor(row, dtype=torch.int64) for row in rows], batch_first=True, padding_value=value
        )

    batch = {
        "input_ids": padded((sample.input_ids for sample in encoded), pad_token_id),
        "attention_mask": padded(([1] * len(sample.input_ids) for sample in encoded), 0),
        "labels": padded((sample.labels for sample in encoded), IGNORE_INDEX),
    }
    if embeds is not None:
        if len(embeds) != len(encoded):
            raise DataError(f"{len(encoded)} samples came with {len(embeds)} feature arrays.")
        batch["image_embeds"], batch["frame_mask"] = map(torch.from_numpy, pad_frames(embeds))
    return batch


def pad_frames(embeds: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Frame vectors [k, D] of B samples to float32 [B, F, D] and their mask int64 [B, F].

    Raises:
        DataError: vectors of different widths, or a sample without frames.
    """
    widths = {array.shape[-1] for array in embeds}
    if len(widths) != 1 or any(array.ndim != 2 or not len(array) for array in embeds):
        raise DataError(f"Frame vectors of one batch must be [frames, D] of one width, not of {sorted(widths)}.")
    frames = max(len(array) for array in embeds)
    padded = np.zeros((len(embeds), frames, widths.pop()), dtype=np.float32)
    mask = np.zeros((len(embeds), frames), dtype=np.int64)
    for row, array in enumerate(embeds):
        padded[row, : len(array)] = array
        mask[row, : len(array)] = 1
    return padded, mask


def check_share(name: str, bad: int, good: int, allowed: float, report: DropReport) -> None:
    """
    Raises:
        DataError: more than the share `allowed` is bad.
    """
    if bad > allowed * (bad + good):
        raise DataError(
            f"{bad} of {bad + good} samples of {name} cannot be used, more than the {allowed:.1%} allowed: correct "
            f"them, make the missing features, or allow more (max_bad_share).\n{report.summary()}"
        )


def _apportion(weights: Sequence[float], total: int) -> list[int]:
    """Whole shares of `total`, by largest remainder, at least one each."""
    exact = [weight / sum(weights) * total for weight in weights]
    shares = [max(1, int(value)) for value in exact]
    while sum(shares) != total:
        step = 1 if sum(shares) < total else -1
        movable = [i for i in range(len(shares)) if step > 0 or shares[i] > 1]
        shares[max(movable, key=lambda i: step * (exact[i] - shares[i]))] += step
    return shares
