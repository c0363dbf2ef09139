"""The comparison of adaptations: who is trained and scored on what, resuming, the table, and what an adapter does."""

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
from calvin.lab.adapt_comparison import MAIN, UNPARSED, RowScore, gains, orderings, score_study, table
from calvin.lab.adapt_study import Row, Study, StudyConfig, StudyFilm, StudyScene, rows_of, split_film
from calvin.studio.adapt.before_after import CaptionFacts, Effect
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
    with pytest.raises(UsageError, match="takes 100 or more"):
        split_film(film_of("g", 60, 0), config, seed)


def test_the_rows_are_those_of_the_paper() -> None:
    config = StudyConfig(sizes=(20, 50), iterations=(100, 200), adapt=QUICK)
    assert [row.key for row in rows_of(config)] == [
        "none", "oracle", "bank", "first-20-100", "first-50-100", "random-20-100", "first-20-200",
    ]  # fmt: skip


def test_a_comparison_is_gone_on_with_and_scored(
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
    monkeypatch.setattr("calvin.studio.adapt.adaptation.tune", lambda *_: pytest.fail("tuned twice"))
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


def test_an_ordering_that_does_not_come_out_is_said_to() -> None:
    def score(kind: str, size: int, values: tuple[float, float]) -> RowScore:
        return RowScore(Row(kind, size, 100 if size else 0), {MAIN: dict(zip("fg", values, strict=True))})  # type: ignore[arg-type]

    scores = [
        score("none", 0, (10, 12)), score("oracle", 0, (20, 20)), score("bank", 0, (9, 12)),
        score("first", 20, (15, 16)), score("first", 50, (15, 14)), score("random", 20, (14, 14)),
    ]  # fmt: skip
    lines = [ordering.line() for ordering in orderings(scores)]
    assert lines[0].startswith("entities by oracle better than none: holds (+9.0 CIDEr")
    assert lines[1].startswith("entities by bank better than none: DOES NOT HOLD (-0.5 CIDEr")
    assert lines[3].startswith("50 scenes better than 20: DOES NOT HOLD")
    assert [line.partition(",")[0] for line in gains(scores)] == ["Figure 10"]
    assert gains(scores)[0].startswith("Figure 10, scenes from 20 to 50: -1.0 CIDEr")


@pytest.mark.parametrize(("last", "verdict"), [(14.0, "holds"), (15.0, "DOES NOT HOLD"), (9.0, "holds")])
def test_whether_the_curve_flattens_is_said(last: float, verdict: str) -> None:
    def score(size: int, iterations: int, value: float) -> RowScore:
        return RowScore(Row("first", size, iterations), {MAIN: {"f": value, "g": value}})

    tuned = [score(20, 100, 13.0), score(20, 25, 10.0), score(20, 200, last), score(50, 100, 16.0)]
    lines = [line for line in gains(tuned) if "little gained" in line]
    assert len(lines) == 1, "nothing beyond 50 scenes was tried"
    assert lines[0].startswith(f"Figure 9, little gained past 100 micro-batches: {verdict} ({last - 13:+.1f} CIDEr")
    rows = table([RowScore(Row("none"), {MAIN: {"f": 1.0, "g": 1.0}}), *tuned])
    assert rows.count("17.74") == 1, "the paper's figure is of 100 iterations"


def test_where_an_adapter_hurts_it_is_told() -> None:
    def facts(*texts: str, parsed: bool | None = None) -> CaptionFacts:
        answers = [CaptionAnswer(text, 0.0, parsed=parsed) for text in texts]
        return CaptionFacts.of(answers, lambda text: [w for w in text.split() if w[0].isupper()], [["Ann"]] * 2, True)

    before = facts("Ann waves to the man", "the man sits down there")
    worse = facts("Bob waves", "Bob waves", parsed=False)
    assert (before.distinct, before.words, before.wrong_names, before.right_names) == (1, 5, 0, 0.5)
    assert (worse.distinct, worse.wrong_names, worse.unparsed) == (0.5, 1, 1)
    effect = Effect("scenes", before, worse)
    assert [word for word in ("diverse", "shorter", "wrong people", "form") if word in " ".join(effect.warnings())] == [
        "diverse", "shorter", "wrong people", "form",
    ]  # fmt: skip
    assert (
        Effect("scenes", before, facts("Ann waves to a man", "Ann sits down over there", parsed=True)).warnings() == []
    )
    assert "form not kept" in "\n".join(effect.lines())
