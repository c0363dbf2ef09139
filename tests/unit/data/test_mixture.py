from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.errors import ConfigError, DataError
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.tokens import IGNORE_INDEX, Encoded, TokenLayout
from calvin.data import Example, Instructions, MemoryFeatures, Mixture, Sample, Source, collate, pad_frames
from calvin.data import mixture as mixture_module
from calvin.data.held_out import hold_out
from calvin.data.mixture import _apportion
from calvin.data.sample_table import table_in, write_table


def make(name: str, kind: str, count: int, weight: float = 1.0, **changes: Any) -> Source:
    """Sample n of a source has the caption `w<n>`, and frames full of n."""
    span = Span(0, 1000) if kind == "video" else None
    samples = [
        Sample(f"{name}-{n}", name, f"{name}{n}", kind, f"w{n}", span)  # type: ignore[arg-type]
        for n in range(count)
    ]
    frames = 8 if kind == "video" else 1
    arrays = {f"{name}{n}": np.full((frames, 3), n, dtype=np.float32) for n in range(count)}
    source = Source(name, kind, samples, MemoryFeatures(arrays), weight)  # type: ignore[arg-type]
    return replace(source, **changes)


def sources() -> list[Source]:
    return [make("cc", "image", 50, 3.0), make("mad", "video", 31, 2.0), make("drill", "text", 20, 1.0, features=None)]


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_each_batch_is_of_one_kind_and_of_its_size(layout: TokenLayout) -> None:
    mixture = Mixture(sources(), layout, batch_sizes={"text": 5})
    kinds = Counter()
    for step in range(60):
        batch = mixture.batch_at(step)
        source, _ = mixture.source_at(step)
        kinds[source.kind] += 1
        if source.kind == "text":
            assert "image_embeds" not in batch
            assert batch["input_ids"].shape[0] == 5
        else:
            size, frames = (12, 1) if source.kind == "image" else (6, 5)
            assert batch["image_embeds"].shape == (size, frames, 3)
            assert batch["frame_mask"].all()
    assert set(kinds) == {"image", "video", "text"}


def test_a_batch_is_a_function_of_seed_and_step(layout: TokenLayout) -> None:
    straight = Mixture(sources(), layout, seed=3)
    batches = [straight.batch_at(step) for step in range(450)]
    resumed = Mixture(sources(), layout, seed=3)
    for step in (449, 7, 201, 202, 200, 449, 0):
        assert same(resumed.batch_at(step), batches[step])
    other = Mixture(sources(), layout, seed=4)
    assert sum(same(other.batch_at(step), batches[step]) for step in range(50)) == 0
    iterated = iter(Mixture(sources(), layout, seed=3))
    assert all(same(next(iterated), batches[step]) for step in range(5))


def test_image_and_caption_of_a_row_belong_together(layout: TokenLayout) -> None:
    mixture = Mixture([make("cc", "image", 50)], layout)
    words = layout.tokenizer.convert_ids_to_tokens
    for step in range(10):
        batch = mixture.batch_at(step)
        for ids, labels, frames in zip(batch["input_ids"], batch["labels"], batch["image_embeds"], strict=True):
            caption = words(ids[labels != -100].tolist())
            assert caption == [f"w{int(frames[0, 0])}", "</s>"]


def test_each_epoch_shows_every_sample_once_in_another_order(layout: TokenLayout) -> None:
    mixture = Mixture([make("cc", "image", 50), make("mad", "video", 12)], layout, batch_sizes={"image": 5, "video": 5})
    seen: dict[str, list[int]] = {"cc": [], "mad": []}
    for step in range(200):
        source, _ = mixture.source_at(step)
        seen[source.name] += mixture.batch_at(step)["image_embeds"][:, 0, 0].int().tolist()
    for name, count in (("cc", 50), ("mad", 12)):
        epochs = [seen[name][start : start + count] for start in range(0, len(seen[name]) - count + 1, count)]
        assert len(epochs) >= 5
        assert all(sorted(epoch) == list(range(count)) for epoch in epochs)
        assert epochs[0] != epochs[1]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=8))
def test_shares_add_up_and_follow_the_weights(weights: list[float]) -> None:
    shares = _apportion(weights, 200)
    assert sum(shares) == 200
    assert min(shares) >= 1
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - max(1, weight / sum(weights) * 200)) <= len(weights)


def test_weights_are_shares_of_batches(layout: TokenLayout) -> None:
    mixture = Mixture(sources(), layout)
    counts = Counter(mixture.source_at(step)[0].name for step in range(400))
    assert counts == {"cc": 200, "mad": 134, "drill": 66}
    numbers: dict[str, list[int]] = {"cc": [], "mad": [], "drill": []}
    for step in range(400):
        source, number = mixture.source_at(step)
        numbers[source.name].append(number)
    assert all(values == list(range(len(values))) for values in numbers.values())


def test_sources_without_weight_or_samples_are_left_out(layout: TokenLayout) -> None:
    mixture = Mixture([make("cc", "image", 5), make("mad", "video", 5, 0.0), make("web", "video", 0)], layout)
    assert {mixture.source_at(step)[0].name for step in range(200)} == {"cc"}
    with pytest.raises(ConfigError, match="no source"):
        Mixture([make("mad", "video", 0)], layout)


def test_texts_may_come_from_a_function(layout: TokenLayout) -> None:
    asked: list[int] = []

    def texts(number: int) -> list[Any]:
        asked.append(number)
        ready = layout.encode(Prompt("w1"), "w2", visual=False)
        return [Example(Prompt("w1"), f"w{number}", visual=False), ready]

    mixture = Mixture([Source("drill", "text", texts=texts)], layout)
    batch = mixture.batch_at(3)
    assert asked == [3]
    assert batch["input_ids"].shape[0] == 2
    assert "image_embeds" not in batch


def test_questions_change_from_epoch_to_epoch(layout: TokenLayout) -> None:
    mixture = Mixture([make("cc", "image", 12)], layout)
    first, second = ({tuple(row) for row in mixture.batch_at(step)["input_ids"].tolist()} for step in (0, 1))
    assert first != second


def test_a_sample_is_told_anew_in_each_epoch(layout: TokenLayout) -> None:
    def vary(sample: Sample, epoch: int) -> Sample:
        number = int(sample.caption[1:])
        return replace(sample, caption=f"w{(number + epoch) % 12}")

    mixture = Mixture([make("cc", "image", 12, vary=vary)], layout)
    words = layout.tokenizer.convert_ids_to_tokens
    for epoch in range(3):
        batch = mixture.batch_at(epoch)
        for ids, labels, frames in zip(batch["input_ids"], batch["labels"], batch["image_embeds"], strict=True):
            assert words(ids[labels != -100].tolist())[0] == f"w{(int(frames[0, 0]) + epoch) % 12}"
    assert mixture.identity != Mixture([make("cc", "image", 12)], layout).identity


def test_stage_1_batches_have_no_prompt(layout: TokenLayout) -> None:
    batch = Mixture([make("cc", "image", 12)], layout, instructions=Instructions(stage=1)).batch_at(0)
    assert batch["input_ids"].shape[1] == 1 + layout.num_query_tokens + 2


def without(source: Source, *numbers: int) -> Source:
    assert isinstance(source.features, MemoryFeatures)
    arrays = {key: value for key, value in source.features.arrays.items() if key not in {f"cc{n}" for n in numbers}}
    return replace(source, features=MemoryFeatures(arrays))


def test_missing_features_are_skipped_counted_and_named(layout: TokenLayout) -> None:
    mixture = Mixture([without(make("cc", "image", 200), 7, 9)], layout)
    assert mixture.report.dropped == {"no features, source cc": 2}
    assert mixture.report.examples["no features, source cc"] == ["cc7", "cc9"]
    seen = {int(value) for step in range(20) for value in mixture.batch_at(step)["image_embeds"][:, 0, 0]}
    assert seen == set(range(200)) - {7, 9}


def test_too_many_missing_features_stop_the_run_with_the_counts(layout: TokenLayout) -> None:
    with pytest.raises(DataError, match=r"3 of 200 samples of cc cannot be used, more than the 1.0% allowed"):
        Mixture([without(make("cc", "image", 200), 7, 9, 11)], layout)
    Mixture([without(make("cc", "image", 200), 7, 9, 11)], layout, max_bad_share=0.02)


def spoilt(count: int, bad: set[int]) -> Source:
    class Spoilt(MemoryFeatures):
        def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray:
            if media_id in {f"cc{n}" for n in bad}:
                raise DataError(f"Features of {media_id} hold values that are not numbers.")
            return super().scene(media_id, span, max_frames)

    source = make("cc", "image", count)
    assert isinstance(source.features, MemoryFeatures)
    return replace(source, features=Spoilt(source.features.arrays))


def test_a_sample_found_bad_has_a_stand_in_that_a_resumed_run_repeats(layout: TokenLayout) -> None:
    mixture = Mixture([spoilt(200, {3, 4})], layout)
    batches = [mixture.batch_at(step) for step in range(40)]
    assert all(batch["input_ids"].shape[0] == 12 for batch in batches)
    assert mixture.report.dropped == {"unusable, source cc": 2}
    assert "not numbers" in mixture.report.examples["unusable, source cc"][0]
    resumed = Mixture([spoilt(200, {3, 4})], layout)
    assert all(same(resumed.batch_at(step), batches[step]) for step in (39, 20, 0))


def test_too_many_bad_samples_stop_the_run(layout: TokenLayout) -> None:
    mixture = Mixture([spoilt(200, {3, 4, 5})], layout)
    with pytest.raises(DataError, match="3 of 200 samples of cc"):
        all(mixture.batch_at(step) for step in range(40))


def test_samples_too_long_for_the_layout_are_bad_samples(layout: TokenLayout) -> None:
    source = make("cc", "image", 200)
    long = replace(source.samples[0], caption=" ".join(["w1"] * 100))
    mixture = Mixture([replace(source, samples=[long, *source.samples[1:]])], layout)
    for step in range(20):
        mixture.batch_at(step)
    assert mixture.report.dropped == {"unusable, source cc": 1}
    assert "does not fit into 64" in mixture.report.examples["unusable, source cc"][0]


def test_a_source_with_nothing_usable_ends_in_one_error(layout: TokenLayout) -> None:
    mixture = Mixture([spoilt(5, set(range(5)))], layout, max_bad_share=1.0)
    with pytest.raises(DataError, match="20 samples of cc in a row"):
        mixture.batch_at(0)


def test_the_identity_tells_runs_apart(layout: TokenLayout) -> None:
    def identity(given: list[Source], **options: Any) -> str:
        return json.dumps(Mixture(given, layout, **options).identity)

    plain = identity(sources())
    assert plain == identity(sources())
    assert len({plain, identity(sources(), seed=1), identity(sources()[:2]), identity(sources(), max_frames=8)}) == 4
    changed = sources()
    first = replace(changed[0].samples[0], caption="w99")
    changed[0] = replace(changed[0], samples=[first, *changed[0].samples[1:]])
    assert identity(changed) != plain


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: make("cc", "image", 2, -1.0), "must not be negative"),
        (lambda: Source("cc", "image", ()), "needs features"),
        (lambda: replace(make("cc", "image", 2), kind="video"), "is all-video, but its sample cc-0 is image"),
    ],
)
def test_contradictory_sources_are_refused(build: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()


def test_two_sources_of_one_name_are_refused(layout: TokenLayout) -> None:
    with pytest.raises(ConfigError, match="different names"):
        Mixture([make("cc", "image", 2), make("cc", "image", 2)], layout)


def test_batches_are_padded_on_the_right(layout: TokenLayout) -> None:
    short = layout.encode(Prompt(question=None), "w1 w2")
    long = layout.encode(Prompt("What is this video about?"), "w3 w4 w5")
    embeds = [np.full((2, 3), 7.0, dtype=np.float16), np.full((5, 3), 9.0, dtype=np.float32)]
    batch = collate([short, long], embeds, pad_token_id=0)
    assert list(batch) == ["input_ids", "attention_mask", "labels", "image_embeds", "frame_mask"]
    assert batch["input_ids"].shape == batch["labels"].shape == (2, len(long.input_ids))
    count = len(short.input_ids)
    assert batch["input_ids"][0, :count].tolist() == short.input_ids
    assert batch["input_ids"][0, count:].tolist() == [0] * (len(long.input_ids) - count)
    assert batch["attention_mask"].sum(1).tolist() == [count, len(long.input_ids)]
    assert (batch["labels"][0, count:] == IGNORE_INDEX).all()
    assert (batch["labels"][0] != IGNORE_INDEX).sum() == 3  # two words and EOS, nothing of the visual
    assert (batch["input_ids"] == layout.visual_token_id).sum(1).tolist() == [4, 4]
    assert batch["image_embeds"].shape == (2, 5, 3)
    assert batch["image_embeds"].dtype == torch.float32
    assert batch["frame_mask"].tolist() == [[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]
    assert (batch["image_embeds"][0, 2:] == 0).all()
    assert (batch["image_embeds"][0, :2] == 7).all()


def test_text_batches_have_no_visual_part(layout: TokenLayout) -> None:
    batch = collate([layout.encode(Prompt("What is this video about?"), "w1", visual=False)])
    assert list(batch) == ["input_ids", "attention_mask", "labels"]
    assert layout.visual_token_id not in batch["input_ids"]


@pytest.mark.parametrize(
    ("embeds", "message"),
    [
        ([np.ones((2, 3))], "2 samples came with 1"),
        ([np.ones((2, 3)), np.ones((2, 4))], r"not of \[3, 4\]"),
        ([np.ones((2, 3)), np.ones((0, 3))], "must be"),
        ([np.ones(3), np.ones(3)], "must be"),
    ],
)
def test_what_does_not_fit_together_is_refused(embeds: list[np.ndarray], message: str) -> None:
    encoded = [Encoded([1, 2], [-100, 2])] * 2
    with pytest.raises(DataError, match=message):
        collate(encoded, embeds)


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        collate([])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 32), min_size=1, max_size=8))
def test_padded_frames_come_back_by_the_mask(counts: list[int]) -> None:
    arrays = [np.random.default_rng(count).normal(size=(count, 5)).astype(np.float32) for count in counts]
    padded, mask = pad_frames(arrays)
    for row, array in enumerate(arrays):
        np.testing.assert_array_equal(padded[row][mask[row] == 1], array)
        assert not padded[row][mask[row] == 0].any()


def test_the_order_is_that_of_earlier_versions(layout: TokenLayout) -> None:
    mixture = Mixture([make("cc", "image", 50)], layout, seed=3)
    for count in (0, 1, 50, 70_000):
        expected = mixture._rng("cc", 2).permutation(count)
        np.testing.assert_array_equal(mixture._permutation("cc", 2, count), expected)


def test_a_long_source_comes_in_the_same_order(layout: TokenLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [0, 1, 30, 31, 2, 200, 31]
    plain = Mixture(sources(), layout, seed=3)
    batches = [plain.batch_at(step) for step in steps]
    monkeypatch.setattr(mixture_module, "_LONG", 1)
    for step, batch in zip(steps, batches, strict=True):
        assert same(Mixture(sources(), layout, seed=3).batch_at(step), batch)
    once = Mixture(sources(), layout, seed=3)
    assert all(same(once.batch_at(step), batch) for step, batch in zip(steps, batches, strict=True))


@pytest.fixture
def on_disk(tmp_path: Path) -> Callable[[Source], Source]:
    """A source with its samples on disk, and features of which it is known when they change."""

    def put(source: Source) -> Source:
        folder = tmp_path / source.name
        if not folder.is_dir():
            folder.mkdir()
            write_table(folder, source.samples, lambda _: None)
        kinds = sorted({sample.kind for sample in source.samples})
        table = table_in(folder, {"count": len(source.samples), "kinds": kinds})
        features = source.features and KnownFeatures(source.features.arrays)  # type: ignore[attr-defined]
        return replace(source, samples=table, features=features)

    return put


class KnownFeatures(MemoryFeatures):
    looked_at = 0

    @property
    def state(self) -> str:
        return f"{len(self.arrays)} arrays"

    def problem(self, media_id: str, span: Span | None) -> str:
        KnownFeatures.looked_at += 1
        return super().problem(media_id, span)


@pytest.mark.parametrize("amount", [None, 0.3])
def test_samples_on_disk_are_mixed_as_samples_in_memory(
    layout: TokenLayout, on_disk: Callable[[Source], Source], amount: float | None
) -> None:
    def mix(given: list[Source]) -> tuple[Mixture, list[Source]]:
        held: list[Source] = []
        if amount is not None:
            given, held = hold_out(given, amount, 5)
        return Mixture(given, layout, seed=3, max_bad_share=0.5), held

    listed = sources()
    for source in listed[:2]:
        for name in list(source.features.arrays)[3:6]:  # type: ignore[union-attr]
            del source.features.arrays[name]  # type: ignore[union-attr]
    plain, apart = mix(listed)
    looks = []
    for _ in range(2):
        before = KnownFeatures.looked_at
        disk, held = mix([on_disk(source) for source in listed])
        looks.append(KnownFeatures.looked_at - before)
        assert disk.identity == plain.identity
        assert disk.report == plain.report
        assert all(same(disk.batch_at(step), plain.batch_at(step)) for step in range(0, 250, 7))
        assert [list(source.samples) for source in held] == [source.samples for source in apart]
    assert looks[0] > 0
    assert looks[1] == 0  # it was kept


def test_too_many_samples_on_disk_without_features_stop_training(
    layout: TokenLayout, on_disk: Callable[[Source], Source]
) -> None:
    source = make("cc", "image", 50)
    del source.features.arrays["cc7"]  # type: ignore[union-attr]
    for one in (source, on_disk(source), on_disk(source)):
        with pytest.raises(DataError, match=r"1 of 50 samples of cc cannot be used.*\n.*\n.*such as 'cc7'"):
            Mixture([one], layout)


def test_a_table_of_another_kind_is_refused(on_disk: Callable[[Source], Source]) -> None:
    images = on_disk(make("cc", "image", 5))
    with pytest.raises(ConfigError, match="all-video, but its sample cc-0 is image"):
        replace(images, kind="video")
