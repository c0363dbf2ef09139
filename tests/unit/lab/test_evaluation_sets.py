"""The puppet evaluation set is fixed, and nothing of it is trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import DataError
from calvin.core.time import Span
from calvin.data import MemoryFeatures, Sample
from calvin.lab import evaluation_sets


def test_puppet_eval_is_the_fixed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Annotations are drawn whole; if this fails, the puppets have changed: pin a new set, and say so in the log."""
    monkeypatch.setattr("calvin.puppets.world._draw_film", lambda target, *_: target.write_bytes(b""))
    drawn = evaluation_sets.draw_puppet_eval(tmp_path, workers=1)
    assert len(drawn.samples) == len(drawn.truth) == 500
    assert len({sample.movie for sample in drawn.samples}) == 25
    sample = drawn.samples[3]
    assert evaluation_sets.judge(sample.caption, drawn.truth[sample.id])["action"] == 1.0
    assert drawn.truth[sample.id]["film"] == sample.movie
    monkeypatch.setattr(evaluation_sets, "PUPPET_SEED", evaluation_sets.PUPPET_SEED + 1)  # other stories
    with pytest.raises(DataError, match="not the fixed ones"):
        evaluation_sets.draw_puppet_eval(tmp_path, workers=1)


def test_other_films_come_from_any_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calvin.puppets.world._draw_film", lambda target, *_: target.write_bytes(b""))
    drawn = [evaluation_sets.draw_fresh_puppets(seed, tmp_path / str(seed), workers=1) for seed in (4711, 4712)]
    assert [len(one.samples) for one in drawn] == [200, 200]
    assert drawn[0].media == "drawn from seed 4711"
    assert drawn[0].samples[3].caption != drawn[1].samples[3].caption
    assert drawn[0].truth[drawn[0].samples[3].id]["film"] == "heldout_471100000"


def test_puppet_zero_is_fixed_and_told_in_other_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calvin.puppets.world._draw_film", lambda target, *_: target.write_bytes(b""))
    drawn = evaluation_sets.draw_puppet_zero(tmp_path / "zero", workers=1)
    assert len(drawn.samples) == len(drawn.truth) == 200
    assert "paper" in drawn.media
    for sample in drawn.samples:
        assert str(sample.movie).startswith("zero_")
        marks = evaluation_sets.judge(sample.caption, drawn.truth[sample.id])
        assert marks["action"] == marks["agent"] == marks["names_exact"] == 1.0
        # The same words about a film of the usual narrator are no words of his.
        other = {**drawn.truth[sample.id], "film": "heldout_1"}
        assert evaluation_sets.judge(sample.caption, other)["action"] == 0.0
    again = evaluation_sets.draw_puppet_zero(tmp_path / "other", seed=5, workers=1)
    assert again.samples[0].caption != drawn.samples[0].caption
    monkeypatch.setattr(evaluation_sets, "ZERO_SEED", 89)
    with pytest.raises(DataError, match=r"puppet-zero in .* are not the fixed ones"):
        evaluation_sets.draw_puppet_zero(tmp_path / "third", workers=1)


def test_sets_that_are_drawn_are_known_by_their_names() -> None:
    names = ("puppet-eval", "puppet-zero", "puppets:4", "puppet-zero:77")
    assert all(map(evaluation_sets.is_drawn, names))
    assert not any(map(evaluation_sets.is_drawn, ("puppets", "puppet-eval:4", "mad-named", "zero.csv", "puppets:x")))


def test_scenes_past_the_end_of_their_features_are_noted_and_many_refused() -> None:
    features = MemoryFeatures({"film": np.ones((50, 2))}, fps=5)
    scenes = [Sample(f"film/{n}", "mad", "film", "video", "He waits.", Span(n * 50, n * 50 + 50)) for n in range(202)]
    (note,) = evaluation_sets._past_the_end(scenes, features)
    assert note.startswith("2 of 202 scenes lie past the end of their features, such as 'film/200'")
    assert evaluation_sets._past_the_end(scenes[:100], features) == []
    with pytest.raises(DataError, match=r"2 of 102 scenes lie past the end.*make them again"):
        evaluation_sets._past_the_end(scenes[100:], features)


def test_training_saw_none_of_puppet_eval(tmp_path: Path) -> None:
    """Other seeds than any recipe's own held-out films, and no pairing of name and coat that training may have."""
    from calvin.puppets.tell.screenplay import make_film, pairing_split
    from calvin.training.recipes import RECIPES

    seeds = {recipe.world.seed for recipe in RECIPES.values() if recipe.world is not None}
    assert seeds
    assert evaluation_sets.PUPPET_SEED not in seeds
    for number in range(evaluation_sets.PUPPET_SIZES.films):
        film = make_film(evaluation_sets.PUPPET_SEED * 100_000 + number, split="heldout")
        assert {pairing_split(person.name, person.look.coat) for person in film.cast} == {"heldout"}


FACES = """\
text,start,end,movie,scaled_start,scaled_end,cmd_filename,imdbid,movie_title,cmd_clip_idx,bboxes,pred_ids
She smiles.,1401.108,1401.769,72,9.4,11.4,2014/abc,tt7,A Film,1,"[[[1, 2, 3, 4]]]","{'nm0001435': [(0, 0)]}"
Doc turns.,3257.7,3258.4,72,9.4,11.4,2014/def,tt7,A Film,2,"[[[1, 2, 3, 4], [5, 6, 7, 8]]]",\
"{'nm0000098': [(0, 0)], 'nm0000001': [(0, 1)]}"
"""


def test_faces_of_autoad_zero_are_a_bank_of_entities(tmp_path: Path) -> None:
    """Two clips of one film have a scene at the same time: they are told apart by file, and people by their ids."""
    from calvin.data.readers.registry import read
    from calvin.evaluation.names import read_roles
    from calvin.evaluation.scenes import with_bank

    path, bank = tmp_path / "faces.csv", tmp_path / "bank.json"
    path.write_text(FACES)
    bank.write_text('{"tt7": [{"id": "nm0001435", "role": "Ann"}, {"id": "nm0000098", "role": "Doc", "name": "N."}]}')
    samples = read("cmd_ad", path).samples
    found = {s.caption: s.entities for s in with_bank(samples, path, read_roles(bank))}
    assert found == {"She smiles.": ("Ann",), "Doc turns.": ("Doc",)}  # nobody is called nm0000001
    with pytest.raises(DataError, match=r"ids such as nm0\d+: give --characters"):
        with_bank(samples, path)


def test_the_cut_is_that_of_files_and_times_alone() -> None:
    scenes = [Sample(f"{n}", "cmd_ad", f"clip{n}", "video", "x", Span(n, n + 9), movie="tt1") for n in range(3)]
    cut = evaluation_sets.cut_of(scenes)
    assert cut.startswith("3 scenes, 1 films, 3 files, times ")
    assert evaluation_sets.cut_of([Sample("other", "cmd_ad", s.media_id, "video", "y", s.span, movie="tt1")
                                   for s in reversed(scenes)]) == cut  # fmt: skip
    assert evaluation_sets.cut_of(scenes[:2]) != cut.replace("3", "2")
