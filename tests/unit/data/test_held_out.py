from __future__ import annotations

import pytest

from calvin.core.errors import ConfigError
from calvin.core.time import Span
from calvin.data import MemoryFeatures, Sample, Source, held_out
from calvin.data.held_out import hold_out

FEATURES = MemoryFeatures({})


def films(*lengths: int) -> Source:
    samples = [
        Sample(f"{film}-{i}", "mad", f"film{film}", "video", "A man waves.", Span(i * 1000, i * 1000 + 900),
               movie=f"film{film}")
        for film, length in enumerate(lengths)
        for i in range(length)
    ]  # fmt: skip
    return Source("mad", "video", samples, FEATURES)


def images(count: int) -> Source:
    return Source("cc", "image", [Sample(str(i), "cc", str(i), "image", "A lamp.") for i in range(count)], FEATURES)


def test_samples_are_in_one_part_or_the_other() -> None:
    sources = [films(10, 10, 10, 10), images(50)]
    training, held = hold_out(sources, 0.2)
    for source, one, other in zip(sources, training, held, strict=True):
        assert sorted([*one.samples, *other.samples], key=id) == sorted(source.samples, key=id)
    assert [len(source.samples) for source in held] == [10, 10]


def test_whole_films_are_held_out() -> None:
    [training], [held] = hold_out([films(10, 12, 8, 30)], 0.1)
    assert not {sample.movie for sample in training.samples} & {sample.movie for sample in held.samples}
    assert held.samples


def test_of_one_film_the_last_scenes_are_held_out() -> None:
    source = films(20)
    [training], [held] = hold_out([source], 5)
    assert list(held.samples) == list(source.samples[-5:])
    assert len(training.samples) == 15


@pytest.mark.parametrize("amount", [0.01, 0.5, 0.99, 1, 3, 1000])
@pytest.mark.parametrize("source", [films(2), films(1, 1), films(30, 2), images(2), images(9)])
def test_something_is_always_held_out_and_never_everything(source: Source, amount: float) -> None:
    [training], [held] = hold_out([source], amount)
    assert training.samples
    assert held.samples


def test_the_choice_hangs_on_the_seed_alone() -> None:
    chosen = [{sample.id for sample in hold_out([images(100)], 10, seed)[1][0].samples} for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]


def test_text_made_on_the_way_is_left_alone_and_a_single_sample_is_refused() -> None:
    text = Source("text", "text", texts=lambda _: [])
    training, held = hold_out([text, images(4)], 1)
    assert training[0] is text
    assert [source.name for source in held] == ["cc"]
    with pytest.raises(ConfigError, match="one sample"):
        hold_out([images(1)], 1)


def test_the_choice_is_that_of_earlier_versions() -> None:
    [held] = hold_out([images(40)], 4, 7)[1]
    assert [sample.id for sample in held.samples] == ["21", "33", "36", "37"]
    [held] = hold_out([films(3, 5, 2, 4, 6)], 0.3, 2)[1]
    assert sorted({sample.movie for sample in held.samples}) == ["film0", "film1"]


def test_many_samples_are_looked_through_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [films(10, 10, 10, 10), images(50)]
    whole = [source.samples for source in hold_out(sources, 0.2, 1)[1]]
    monkeypatch.setattr(held_out, "_AT_ONCE", 7)
    assert [source.samples for source in hold_out(sources, 0.2, 1)[1]] == whole
