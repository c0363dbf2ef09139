"""Who is in which scene: sources, thresholds, a person's word, likeness of frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import DataError
from calvin.core.time import Span
from calvin.core.types import Author, Character, Cue, DialogueLine, Status
from calvin.data.sources import read_entities
from calvin.studio.cast.characters import Cast, Note, PresenceSettings
from calvin.studio.cast.colours import ColourBank
from calvin.studio.cast.presence import (
    CharacterBank,
    Guess,
    denied_at,
    guess_presence,
    likenesses,
    names_at,
    notes_of,
    speakers_of,
    unknown_speakers,
    unlike_film,
    write_presence,
)

CAST = Cast((Character("Ann", pronouns="she"), Character("Bob", known_from_ms=30_000)))
SCENES = [Span(0, 10_000), Span(20_000, 30_000), Span(40_000, 50_000)]


def test_speakers_are_sure_within_a_scene_and_less_so_beside_it() -> None:
    lines = [
        DialogueLine(Span(5000, 6000), "Yes.", "ANN"),
        DialogueLine(Span(19_000, 19_500), "No.", "Ann"),
        DialogueLine(Span(0, 1), "", "Cy"),
    ]
    rows = guess_presence(SCENES, CAST, lines)
    assert [[(g.name, g.confidence, g.source) for g in row] for row in rows] == [
        [("Ann", CAST.settings.heard, "subtitles")],
        [("Ann", CAST.settings.near, "subtitles")],
        [],
    ]
    assert names_at(rows[1], PresenceSettings(threshold=0.6)) == ()
    narrator = DialogueLine(Span(2, 3), "", "NARRATOR")
    assert unknown_speakers([*lines, narrator], CAST) == ["Cy"]
    assert [person.name for person in speakers_of(lines).characters] == ["Ann", "Cy"]


def test_a_persons_word_beats_the_rest_and_nobody_is_named_too_early() -> None:
    lines = [DialogueLine(Span(5000, 6000), "Yes.", "Ann")]
    notes = [Note(SCENES[0], ("Bob",), ("Ann",)), Note(SCENES[2], ("Bob",))]
    rows = guess_presence(SCENES, CAST, lines, notes)
    assert [names_at(row, CAST.settings) for row in rows] == [(), (), ("Bob",)]


def test_who_is_absent_by_the_cast_is_so_whatever_cues_name() -> None:
    cast = Cast((Character("Ann"), Character("Bob")), notes=(Note(SCENES[0], absent=("Bob",)),))
    cues = [Cue("1", SCENES[0], "Ann looks for Bob.", SCENES[0], 0, Author.HUMAN)]
    [row] = guess_presence(SCENES[:1], cast, [DialogueLine(SCENES[0], "Yes.", "Bob")], notes_of(cues, cast))
    assert [(guess.name, guess.confidence) for guess in row] == [("Ann", 1.0)]


def test_cues_that_a_person_wrote_tell_who_is_there() -> None:
    cues = [
        Cue("1", SCENES[0], "Ann waves.", SCENES[0], 0),
        Cue("2", SCENES[1], "She sits.", SCENES[1], 0, Author.HUMAN),
        Cue("3", SCENES[2], "Rain.", SCENES[2], 0, Author.MODEL, Status.APPROVED),
    ]
    assert notes_of(cues, CAST) == [Note(SCENES[1], ("Ann",))]


def test_likeness_finds_the_scenes_with_the_person_of_the_picture() -> None:
    rng = np.random.default_rng(0)
    ann, bob = rng.normal(size=(2, 16))
    present = rng.random((40, 2)) < 0.4
    frames = np.repeat(present @ np.stack([ann, bob]), 5, axis=0) + 0.5 * rng.normal(size=(200, 16))
    spans = [Span(1000 * i, 1000 * (i + 1)) for i in range(40)]
    portraits = {"Ann": ann[None] + 0.3 * rng.normal(size=(1, 16))}
    seen = {"Bob": [spans[i] for i in np.flatnonzero(present[:, 1] & ~present[:, 0])[:2]]}
    bank = CharacterBank.build(frames, 5.0, spans, portraits, seen)
    for column, name in enumerate(("Ann", "Bob")):
        there = bank.scores[name][present[:, column]]
        elsewhere = bank.scores[name][~present[:, column]]
        assert (there[:, None] > elsewhere[None]).mean() > 0.9, name
        assert abs(bank.scores[name].mean()) < 1e-9
    with pytest.raises(DataError, match="another encoder"):
        CharacterBank.build(frames, 5.0, spans, {"Ann": np.zeros((1, 3))}, {})


def test_the_file_of_presence_is_what_evaluation_reads(tmp_path: Path) -> None:
    rows = guess_presence(SCENES[:2], CAST, [DialogueLine(SCENES[0], "Yes.", "Ann")])
    write_presence(tmp_path / "p.jsonl", "Film", SCENES[:2], rows, CAST.settings)
    assert read_entities(tmp_path / "p.jsonl") == {("Film", SCENES[0]): ("Ann",), ("Film", SCENES[1]): ()}


def film_of(present: np.ndarray, looks: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[Span]]:
    """Frames [5 a scene, D] at 5 a second, in which those present, a place of the scene's own and noise are seen."""
    places = rng.normal(size=(len(present), looks.shape[1]))
    frames = np.repeat(present @ looks + places, 5, axis=0) + 0.5 * rng.normal(size=(5 * len(present), looks.shape[1]))
    return frames, [Span(1000 * i, 1000 * (i + 1)) for i in range(len(present))]


def test_pictures_of_somebody_who_is_not_in_the_film_are_told() -> None:
    rng = np.random.default_rng(1)
    looks = rng.normal(size=(5, 64))
    present = rng.random((60, 5)) < 0.4
    present[:, 4] = False
    frames, spans = film_of(present, looks, rng)
    portraits = {name: look[None] + 0.3 * rng.normal(size=(1, 64)) for name, look in zip("ABCDX", looks, strict=True)}
    bank = CharacterBank.build(frames, 5.0, spans, portraits, {})
    cast = Cast(tuple(map(Character, "ABCDX")))
    assert max(bank.scores["X"]) > 1, "within the film, everybody has a scene that is most like"
    assert unlike_film(bank, cast, (), ()) == ["X"]
    assert unlike_film(bank, cast, [DialogueLine(SCENES[0], "Yes.", "X")], ()) == []
    assert unlike_film(bank, cast, (), [Note(SCENES[0], ("X",))]) == []
    assert unlike_film(None, cast, (), ()) == []
    assert CharacterBank.build(frames, 5.0, spans[:19], portraits, {}).contrast == {}


def test_noise_does_not_drown_the_looks() -> None:
    # Whitened as strongly as the weakest directions, the few in which looks differ would count like any other.
    rng = np.random.default_rng(2)
    looks = rng.normal(size=(4, 64))
    present = rng.random((60, 4)) < 0.4
    frames, spans = film_of(present, looks, rng)
    portraits = {name: look[None] + 0.3 * rng.normal(size=(1, 64)) for name, look in zip("ABCD", looks, strict=True)}
    scores = CharacterBank.build(frames, 5.0, spans, portraits, {}).scores
    right = [
        (scores[name][there][:, None] > scores[name][~there][None]).mean()
        for name, there in zip("ABCD", present.T, strict=True)
    ]
    assert np.mean(right) > 0.8


def test_where_portraits_tell_how_somebody_looks_a_voice_counts_beside_them_and_one_nearby_does_not() -> None:
    settings = PresenceSettings(by_colours=(-3.0, 6.0, 0.0))
    cast = Cast((Character("Ann"), Character("Bob")), settings=settings)
    likeness = {"Ann": np.array([0.4, 0.4, 0.0]), "Bob": np.array([0.0, 1.0, 0.9])}
    colours = ColourBank(likeness, {name: np.zeros(3) for name in likeness})
    lines = [DialogueLine(SCENES[0], "Yes.", "Ann"), DialogueLine(Span(31_000, 31_500), "No.", "Ann")]
    rows = guess_presence(SCENES, cast, lines, colours=colours)
    assert [names_at(row, settings) for row in rows] == [("Ann",), ("Bob",), ("Bob",)]
    assert {guess.source for row in rows for guess in row} == {"portraits"}
    quiet = guess_presence(SCENES, cast, (), colours=colours)
    assert names_at(quiet[0], settings) == (), "by her colours alone it is not sure enough"
    [[ann, *_], *_] = guess_presence(SCENES, cast, [DialogueLine(SCENES[2], "No.", "Ann")], colours=colours)
    assert ann.confidence == pytest.approx(next(g.confidence for g in quiet[0] if g.name == "Ann"))


def test_a_likeness_that_others_explain_is_none() -> None:
    settings = PresenceSettings(by_colours=(-3.0, 8.0, -8.0), with_vectors=(-3.0, 1.5, 8.0, -8.0))
    likeness = {"Ann": np.array([0.8, 0.8]), "Bob": np.array([0.1, 1.0])}
    colours = ColourBank(likeness, {"Ann": np.array([0.1, 0.7]), "Bob": np.array([0.1, 0.1])})
    sure = likenesses(settings, {}, colours)
    assert sure["Ann"][0] > settings.threshold > sure["Ann"][1]
    vectors = {"Ann": np.array([0.0, 3.0]), "Cy": np.array([2.0, -2.0])}
    both = likenesses(settings, vectors, colours)
    assert both["Ann"][1] > settings.threshold, "the vectors say that she is there all the same"
    assert both["Cy"][0] > settings.threshold > both["Cy"][1], "pictures from elsewhere are judged by vectors alone"


def test_who_is_surely_not_there_is_denied_by_portraits_and_faces_alone() -> None:
    row = (
        Guess("Ann", 0.9, "portraits"), Guess("Bob", 0.01, "portraits"), Guess("Cy", 0.01, "faces"),
        Guess("Di", 0.01, "pictures"), Guess("Ed", 0.1, "portraits"),
    )  # fmt: skip
    assert denied_at(row) == {"Bob", "Cy"}


def test_faces_decide_where_some_are_seen_and_say_nothing_where_none_is() -> None:
    cast = Cast((Character("Ann"), Character("Bob")))
    likeness = {"Ann": np.ones(3), "Bob": np.zeros(3)}
    colours = ColourBank(likeness, {name: np.zeros(3) for name in likeness})
    faces = {"Ann": np.array([0.3, 0.8, np.inf]), "Bob": np.array([0.8, 0.3, np.inf])}
    lines = [DialogueLine(SCENES[0], "Yes.", "Bob")]
    rows = guess_presence(SCENES, cast, lines, colours=colours, faces=faces)
    assert [names_at(row, cast.settings) for row in rows] == [("Ann",), ("Bob",), ("Ann",)]
    assert [{guess.name: guess.source for guess in row}["Ann"] for row in rows] == ["faces", "faces", "portraits"]
    unsure = guess_presence(SCENES[:1], cast, lines, faces={"Bob": np.array([0.54])})
    assert names_at(unsure[0], cast.settings) == ("Bob",), "a voice counts beside a face that is nearly sure"
