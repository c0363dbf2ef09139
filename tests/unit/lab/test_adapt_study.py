"""The comparison of adaptations: what is trained and scored on what, resuming, and scoring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calvin.captioners import CaptionAnswer
from calvin.captioners.calvin import Calvin
from calvin.core.errors import StoreError, UsageError
from calvin.core.progress import Progress
from calvin.core.time import Span
from calvin.data.regularisation import RegularScene
from calvin.evaluation.names import NameList
from calvin.lab.adapt_comparison import MAIN, UNPARSED, orderings, score_study, table
from calvin.lab.adapt_study import Study, StudyConfig, StudyFilm, StudyScene, rows_of, split_film
from calvin.training.fewshot import SMALL

QUICK = SMALL.changed(loop=SMALL.loop.changed(steps=2), batch_size=3, lora_rank=2)
CONFIG = StudyConfig(sizes=(2, 5), iterations=(2,), seeds=2, adapt=QUICK)
NAMES = NameList(frozenset({"Ann", "Bob"}), "test")


def film_of(name: str, count: int, seed: int) -> StudyFilm:
    rng = np.random.default_rng(seed)
    scenes = []
    for i in range(count):
        who = ("Ann",) if rng.random() < 0.5 else ("Bob",)
        vectors = rng.normal(size=(3, 24)).astype(np.float32)
        caption = f"{who[0]} {'waves' if i % 2 else 'sits'} near the house."
        scenes.append(StudyScene(f"{name}-{i}", Span(1000 * i, 1000 * i + 900), caption, vectors, who, who))
    return StudyFilm(name, tuple(scenes))


@pytest.mark.parametrize("seed", range(6))
def test_no_scored_scene_is_ever_trained_on_and_sets_are_nested(seed: int) -> None:
    film = film_of("f", 120, seed)
    config = StudyConfig(sizes=(20, 50), adapt=QUICK)
    split = split_film(film, config, seed)
    assert len(split.order) == 50
    assert len(set(split.random)) == 20
    assert set(split.random) <= set(split.order)
    assert sorted((*split.order, *split.scored)) == list(range(120))
    first = {scene.oracle[0]: i for i, scene in reversed(list(enumerate(film.scenes)))}
    assert set(first.values()) <= set(split.order[:20])
    assert split == split_film(film, config, seed)
    assert split.random != split_film(film, config, seed + 1).random
    tight = split_film(film, StudyConfig(sizes=(20, 21), adapt=QUICK), seed)
    assert set(tight.random) <= set(tight.order)
    with pytest.raises(UsageError, match="needs 100 or more"):
        split_film(film_of("g", 60, 0), config, seed)


def test_the_rows_are_those_of_the_paper() -> None:
    config = StudyConfig(sizes=(20, 50), iterations=(100, 200), adapt=QUICK)
    assert [row.key for row in rows_of(config)] == [
        "none", "oracle", "bank", "first-20-100", "first-50-100", "random-20-100", "first-20-200",
    ]  # fmt: skip


def test_a_stopped_comparison_continues_and_is_scored(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = Calvin.from_pretrained(tiny_model)
    films = [film_of("f", 10, 0), film_of("g", 11, 1)]
    rng = np.random.default_rng(3)
    regular = [RegularScene("a man walks", rng.normal(size=(2, 24)).astype(np.float32)) for _ in range(5)]
    monkeypatch.setattr("calvin.lab.adapt_study.caption_all", _told)
    study = Study(base, films, regular, CONFIG, tmp_path)
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    assert study.run(1, 2) == 9, "the other half is the other process's"
    assert study.run(2, 2) == 0
    after = base.model.state_dict()
    assert all((before[name] == after[name]).all() for name in before)
    files = sorted(path.name for path in (tmp_path / "captions" / "f").iterdir())
    assert files == sorted(
        ["none.json", "oracle.json", "bank.json"]
        + [f"{key}-{seed}.json" for key in ("first-2-2", "first-5-2", "random-2-2") for seed in range(2)]
    )
    assert not list(tmp_path.glob("work*"))
    monkeypatch.setattr("calvin.studio.adapt.film_tuning.tune", lambda *_: pytest.fail("tuned twice"))
    events: list[Progress] = []
    (tmp_path / "captions" / "g" / "bank.json").unlink()
    Study(base, films, regular, CONFIG, tmp_path, events.append).run()
    assert [(event.done, event.total) for event in events] == [(4, 4)], "what is there does not count"
    assert events[0].detail == "run 18 of 18: g, entities, bank"
    scores = score_study(study, NAMES, ("cider",))
    by_key = {score.row.key: score for score in scores}
    # `_told` gives the right caption where names are given, else a wrong name.
    assert by_key["oracle"].mean(MAIN) > 50 > (by_key["none"].mean(MAIN) or 0)
    assert by_key["none"].mean("wrong-name rate") == 100
    assert by_key["oracle"].mean("wrong-name rate") == 0
    assert by_key["first-2-2"].mean(UNPARSED) == 0
    text = table(scores)
    assert "| no context |" in text
    assert "10.85" in text
    found = {ordering.words: ordering.holds for ordering in orderings(scores)}
    assert found["entities by oracle better than none"]
    assert not found["first appearances better than 2 at random"]
    assert "5 scenes better than 2" in found
    with pytest.raises(StoreError, match="comparison of another"):
        Study(base, films[:1], regular, CONFIG, tmp_path).run()


def _told(captioner: object, requests: list, batch: int = 16) -> list[CaptionAnswer]:  # type: ignore[type-arg]
    return [
        CaptionAnswer(r.scene.caption if r.prompt.entities else "Ann and Bob walk.", 0.0, parsed=True) for r in requests
    ]
