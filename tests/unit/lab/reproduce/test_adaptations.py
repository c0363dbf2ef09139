"""Table 4 and Figures 9 and 10 from made-up scores, and the whole way with a model of random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calvin.captioners.calvin import Calvin
from calvin.core.errors import UsageError
from calvin.core.time import Span
from calvin.data import FeatureWriter, MemoryFeatures, Sample
from calvin.data.entities import EntityStripper
from calvin.data.regularisation import write_regularisation
from calvin.lab.adapt_comparison import MAIN, RowScore
from calvin.lab.adapt_study import StudyConfig, rows_of
from calvin.lab.reproduce import adaptations
from calvin.lab.reproduce.adaptations import ITERATIONS, SIZES, AdaptationWish
from calvin.lab.reproduce.targets import Wanted, reproduced
from calvin.training.fewshot import SMALL

NOISE = np.array([0.4, -0.3, 0.2, -0.1, 0.3, -0.4, 0.1, -0.2])
LEVEL = {"none": 100.0, "oracle": 200.0, "bank": 150.0}


def scored(target: str, gains: dict[int, float]) -> dict[str, str]:
    """Verdicts by key, where `gains` has the score of tuned rows by what the figure counts."""
    config = StudyConfig(sizes=SIZES[target], iterations=ITERATIONS[target], adapt=SMALL)
    scores = []
    for row in rows_of(config):
        counted = row.iterations if target == "figure9" else row.size
        value = LEVEL[row.kind] if not row.size else gains[counted]
        films = {f"film {i}": value + noise * (row.size + row.iterations) / 100 for i, noise in enumerate(NOISE)}
        scores.append(RowScore(row, {MAIN: films}))
    wish = AdaptationWish(target, Path(), Path(), ("cider",), 3)
    found = wish.findings(scores, [], {})
    assert not any(row.runs != 1 for row in found.rows)
    return {verdict.ordering.key: verdict.kind for verdict in found.verdicts}


def test_the_rows_of_the_comparison_are_those_of_the_orderings() -> None:
    assert scored("table4", {20: 150, 50: 180}) == dict.fromkeys(("entities", "few-shot", "more-scenes"), "holds")
    assert scored("table4", {20: 150, 50: 140})["more-scenes"] == "does not hold"
    assert scored("figure9", {25: 100, 50: 130, 100: 150, 200: 152}) == {"iterations": "holds"}
    assert scored("figure9", {25: 100, 50: 130, 100: 150, 200: 190}) == {"iterations": "does not hold"}
    assert scored("figure10", {5: 100, 10: 130, 20: 140, 50: 150, 100: 152}) == {"samples": "holds"}
    assert scored("figure10", {5: 100, 10: 130, 20: 140, 50: 150, 100: 190}) == {"samples": "does not hold"}


def test_the_points_of_a_curve_are_its_own_rows() -> None:
    config = StudyConfig(sizes=SIZES["figure9"], iterations=ITERATIONS["figure9"], adapt=SMALL)
    scores = [RowScore(row, {MAIN: {"a": 1.0}}) for row in rows_of(config)]
    found = AdaptationWish("figure9", Path(), Path(), ("cider",), 1).findings(scores, [], {})
    assert dict(found.axis["iterations"]) == {f"first-20-{n}": float(n) for n in (25, 50, 100, 200)}
    # What the paper's Table 4 states of 100 micro-batches stands beside no other number of them.
    assert [row.paper.key for row in found.rows if row.paper.values] == ["none", "oracle", "first-20-100"]


HEADER = "movie,sentence,movie_duration,start,end,imdb,lsmdc_filename,start_hms,end_hms"


@pytest.fixture
def data(tiny_model: Path, tmp_path: Path) -> Path:
    """Two films of eight scenes with the scenes of another film to tune beside."""
    encoder = Calvin.from_pretrained(tiny_model).encoder
    rows = [f"000{film}_Film,Ann waves {i}.,9,{i},{i + 1},tt1,x,0,0" for film in (1, 2) for i in range(8)]
    (tmp_path / "eval.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    with FeatureWriter(tmp_path / "eval.h5", *encoder, fps=5.0, dim=24) as writer:
        for film in (1, 2):
            writer.add(f"000{film}_Film", np.random.default_rng(film).normal(size=(45, 24)))
    vectors = MemoryFeatures({"other": np.random.default_rng(0).normal(size=(20, 24))})
    spans = [Span(i * 1000, i * 1000 + 900) for i in range(4)]
    samples = [Sample(str(i), "mad", "other", "video", "A man waves.", span) for i, span in enumerate(spans)]
    write_regularisation(tmp_path / "other.safetensors", samples, vectors, encoder, EntityStripper(), max_frames=4)
    lines = ['[model]\nlanguage = "a"\nvision = "b"\n\n[evaluation]\nannotations = "eval.csv"\nfeatures = "eval.h5"']
    (tmp_path / "data.toml").write_text("\n".join([*lines, 'regularisation = "other.safetensors"', ""]))
    return tmp_path / "data.toml"


def test_table_4_on_films_of_a_data_file(
    tiny_model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adaptations, "SIZES", {"table4": (2, 3)})
    monkeypatch.setattr(adaptations, "ITERATIONS", {"table4": (1,)})
    wanted = Wanted("table4", tmp_path / "out", str(tiny_model), data, seeds=1, metrics=("cider",))
    nothing, left = reproduced(wanted, (1, 2))
    assert left > 0
    assert not nothing.rows
    found, left = reproduced(wanted)
    assert left == 0
    assert [row.paper.key for row in found.rows] == ["none", "oracle", "first-2", "first-3", "random-2"]
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [len(row["scores"]["CIDEr-D"]["0"]) for row in results["rows"]] == [2] * 5
    with pytest.raises(UsageError, match="leave --rows out"):
        reproduced(Wanted("table4", tmp_path / "out", rows=("none",)))
