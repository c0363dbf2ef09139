"""Adapting a project of made-up vectors: what is learnt, what is asked before and after, and what is left as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.captioners.base import CaptionAnswer, CaptionRequest
from calvin.captioners.calvin import Calvin
from calvin.core.errors import DataError, StoreError, UsageError
from calvin.core.progress import Progress
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.types import Author, Place, Status
from calvin.data import FeatureWriter, MemoryFeatures, Sample
from calvin.data.entities import EntityStripper
from calvin.data.regularisation import write_regularisation
from calvin.model.tuning import LoraSettings, add_lora
from calvin.studio.adapt import film_tuning
from calvin.studio.adapt.adaptation import adapt
from calvin.studio.adapt.film_tuning import Adaptation, regular_scenes
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.describe_settings import DescribeRecord
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import Correction
from calvin.training.fewshot import SMALL

SCENES = 14
TILES = [Span(2000 * i, 2000 * i + 2000) for i in range(SCENES)]
QUICK = SMALL.changed(
    loop=SMALL.loop.changed(steps=4, checkpoint_every=2), batch_size=2, lora_rank=2, lora_alpha=4
)  # fmt: skip


@pytest.fixture
def base(tiny_model: Path) -> Calvin:
    return Calvin.from_pretrained(tiny_model, device="cpu")


@pytest.fixture
def folder(tmp_path: Path, base: Calvin) -> Path:
    """A described project."""
    with ProjectStore(tmp_path / "p", create=True) as store:
        store.bind_film(FilmRow("Film", "/film.mp4", "abc", 2000 * SCENES, {}))
        store.set_plan([Place(tile, tile, tile.middle_ms) for tile in TILES])
        for number, plan in enumerate(store.plans):
            store.finish_plan(plan, f"Draft {number}.", plan.span)
        store.begin_description(DescribeRecord(model=base.fingerprint, context=2, question="What happens?"))
        path = store.folder / f"features-{base.encoder.hash[:12]}.safetensors"
        with FeatureWriter(path, *base.encoder, fps=5.0, dim=24) as writer:
            writer.add("abc", np.random.default_rng(0).normal(size=(10 * SCENES, 24)).astype(np.float16))
        return store.folder


@pytest.fixture
def regular(tmp_path: Path, base: Calvin) -> Path:
    return regularisation(tmp_path / "regular.safetensors", base, 4)


def regularisation(path: Path, base: Calvin, count: int, caption: str = "A man waves.") -> Path:
    vectors = MemoryFeatures({"other": np.random.default_rng(1).normal(size=(100, 24))})
    samples = [Sample(str(i), "mad", "other", "video", caption, Span(i * 1000, i * 1000 + 900)) for i in range(count)]
    write_regularisation(path, samples, vectors, base.encoder, EntityStripper(), max_frames=4)
    return path


def words(*numbers: int) -> list[Correction]:
    return [Correction(TILES[number], f"Ann waves {number}.") for number in numbers]


def run(base: Calvin, folder: Path, regular: Path | None, corrections: Any = None, **options: Any) -> Adaptation:
    return adapt(base, folder, corrections, folder.parent / "adapted", QUICK, regular, **options)


def state(folder: Path) -> list[Any]:
    with ProjectStore(folder, read_only=True) as store:
        return [store.cues, store.plans, store.decisions]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[CaptionRequest]]:
    """What is asked, one group before and one after each tuning; answered in a word."""
    found: list[Sequence[CaptionRequest]] = []

    def caption_all(captioner: Calvin, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        found.append(requests)
        return [CaptionAnswer("man", 0.0) for _ in requests]

    monkeypatch.setattr(film_tuning, "caption_all", caption_all)
    return found


def test_a_correction_too_long_to_learn_is_named_and_changes_nothing(base: Calvin, folder: Path, regular: Path) -> None:
    before = state(folder)
    table = folder.parent / "c.csv"
    table.write_text(f"id,in,out,text\ncue-1,0.0,2.0,Ann waves.\ncue-2,2.0,4.0,{'a ' * 900}\n")
    with pytest.raises(DataError, match=r"c.csv: line 3 at 00:00:02.000 cannot be learnt: a sample of \d+ tokens"):
        run(base, folder, regular, table)
    assert state(folder) == before
    assert not (folder.parent / "adapted").exists()


def test_a_model_with_an_adapter_is_refused_before_anything_changes(base: Calvin, folder: Path, regular: Path) -> None:
    before = state(folder)
    add_lora(base.model, LoraSettings(lora_rank=2, lora_alpha=4, lora_dropout=0.0))
    with pytest.raises(UsageError, match="carries an adapter already"):
        run(base, folder, regular, words(0, 1))
    assert state(folder) == before


def test_before_is_asked_as_the_project_was_described(
    base: Calvin, folder: Path, regular: Path, asked: list[Sequence[CaptionRequest]]
) -> None:
    made = run(base, folder, regular, words(1, 3))
    before, after = asked
    assert [request.scene.span for request in before] == [tile for i, tile in enumerate(TILES) if i not in (1, 3)]
    assert [request.prompt.question for request in before] == ["What happens?"] * len(before)
    assert before[0].prompt.context == ()
    assert before[1].prompt.context == ("Draft 0.", "Ann waves 1.")
    assert before[2].prompt.context == ("Draft 2.", "Ann waves 3.")
    assert {request.prompt for request in after} == {Prompt(QUICK.question)}
    assert made.notes == ("With 2 scenes, none was left out to measure the effect on; with 10 or more, a fifth is.",)
    assert run(base, folder, regular, check=False).notes == ()


def test_an_adapter_that_described_last_does_not_hide_how_the_project_was(
    base: Calvin, folder: Path, regular: Path, asked: list[Sequence[CaptionRequest]]
) -> None:
    with ProjectStore(folder) as store:
        store.begin_description(DescribeRecord(model="other", context=0, own_context=1, cast="identity"))
        row = '{"start": %s, "end": %s, "names": ["Ann"]}\n'
        (folder / "presence.jsonl").write_text(row % (TILES[4].start_ms / 1000, TILES[4].end_ms / 1000))
    run(base, folder, regular, words(0, 1))
    by_span = {request.scene.span: request.prompt for request in asked[0]}
    assert by_span[TILES[3]].context == ("Draft 2.",)
    assert (by_span[TILES[4]].context, by_span[TILES[4]].entities) == ((), ("Ann",))


def test_scenes_left_out_are_asked_so_too(
    base: Calvin, folder: Path, regular: Path, asked: list[Sequence[CaptionRequest]]
) -> None:
    made = run(base, folder, regular, words(*range(10)))
    assert len(made.effects) == 2
    assert not any("left out" in note for note in made.notes)
    left = asked[0]
    assert len(left) == 2
    for request in left:
        number = TILES.index(request.scene.span)
        assert request.prompt.context == tuple(f"Ann waves {i}." for i in range(max(0, number - 2), number))
    assert all(request.prompt.context == () for request in asked[1])
    assert asked[0][0].scene.span == asked[1][0].scene.span


def test_a_second_round_learns_both_and_measures_on_neither(
    base: Calvin, folder: Path, regular: Path, asked: list[Sequence[CaptionRequest]]
) -> None:
    run(base, folder, regular, words(0, 1))
    with ProjectStore(folder) as store:
        store.edit_cue(replace(store.cues[5], status=Status.APPROVED))
        cue = store.cues[7]
        store.edit_cue(replace(cue, text="Bob's.", author=Author.HUMAN))
    asked.clear()
    made = run(base, folder, regular, words(1, 2))
    assert made.scenes == 4
    assert "Learnt from 2 corrections and 2 cues approved before." in made.notes
    assert {request.scene.span for request in asked[0]} == {
        tile for i, tile in enumerate(TILES) if i not in (0, 1, 2, 5, 7)
    }


def test_fewer_scenes_of_other_films_than_asked_for_are_all_taken(base: Calvin, folder: Path, regular: Path) -> None:
    made = run(base, folder, regular, words(*range(6)))
    assert any("6 scenes of other films were asked for, but there are 4" in note for note in made.notes)
    assert '"regularisation_scenes": 4' in (made.folder / "calvin_adapter.json").read_text()
    with pytest.raises(DataError, match=r"6 regularisation scenes are needed, but .* holds 4"):
        regular_scenes(base, regular, 6)


def test_a_killed_run_goes_on_or_begins_anew_with_other_scenes_of_other_films(
    base: Calvin, folder: Path, regular: Path, tmp_path: Path
) -> None:
    def kill(event: Progress) -> None:
        if event.done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(base, folder, regular, words(0, 1), progress=kill)
    assert list((folder / "adapting").iterdir())
    other = regularisation(tmp_path / "other.safetensors", base, 4, "A woman sits.")
    assert run(base, folder, other).scenes == 2
    assert not (folder / "adapting").exists()


def test_corrections_that_are_not_there_are_called_so(base: Calvin, folder: Path, regular: Path) -> None:
    with pytest.raises(StoreError, match=r"The corrections .*nowhere.csv cannot be read"):
        run(base, folder, regular, folder.parent / "nowhere.csv")
