"""Questions made of what puppets do, and the listener who answers them from the describer's words."""

from __future__ import annotations

from calvin.evaluation.story_questions import StoryQuestion, ask_story, chance
from calvin.lab.puppet_questions import NOBODY, PuppetReader, puppet_questions
from calvin.puppets.tell.captions import film_captions
from calvin.puppets.tell.other_words import other_captions
from calvin.puppets.tell.screenplay import make_film

STORY = [
    "In the cave, Mara picks up the lamp.",
    "She hands Otto the lamp.",
    "Otto nods on the beach.",
    "Mara takes the lamp from Otto.",
    "Mara puts down the lamp.",
]


def holder(after: int) -> str | None:
    question = StoryQuestion("f", "x", "Who has the lamp now?", ("Mara", "Otto", NOBODY), NOBODY, "who has it")
    return PuppetReader().answer(STORY[:after], question)


def test_who_has_the_lamp_now() -> None:
    assert [holder(after) for after in range(6)] == [None, "Mara", "Otto", "Otto", "Mara", NOBODY]


def test_where_and_what() -> None:
    def ask(question: str, kind: str) -> str | None:
        return PuppetReader().answer(STORY, StoryQuestion("f", "x", question, ("a", "b"), "a", kind))

    assert ask("Where was Otto last seen?", "where") == "beach"
    assert ask("Where was Mara last seen?", "where") == "cave"
    assert ask("What did Otto do last?", "what") == "nods"
    assert ask("What did Mara do last?", "what") == "puts down something"
    assert ask("What did Ada do last?", "what") is None


def test_films_give_fixed_questions_whose_answers_their_descriptions_tell() -> None:
    truths, told = {}, {}
    for seed in (1, 2, 3):
        film = make_film(seed, split="heldout")
        keys = [f"{film.id}/{number}" for number in range(len(film.scenes))]
        truths[film.id] = list(zip(keys, [scene.truth for scene in film.scenes], strict=True))
        told[film.id] = list(zip(keys, film_captions(film), strict=True))
    questions = puppet_questions(truths)
    assert questions == puppet_questions(truths)
    assert {one.kind for one in questions} == {"who has it", "where", "what"}
    assert all(one.answer in one.options and 1 <= one.back <= 8 for one in questions)
    assert len(questions) > 100
    score = ask_story("describer", questions, told, PuppetReader(), [1, 20])
    # Not all of it is told: where a film goes on in one place, description does not say so each time.
    assert score.share(20) > 70 > chance(questions) + 30
    assert score.share(1) < score.share(20)
    shifted = {film: [(key, "A door shuts.") for key, _ in scenes] for film, scenes in told.items()}
    assert ask_story("nothing", questions, shifted, PuppetReader(), [20]).share(20) == 0


def test_the_listener_understands_the_other_narrator_of_films_that_are_his() -> None:
    film = make_film(4, split="heldout")
    shares = []
    for movie in ("zero_4", film.id):
        keys = [f"{movie}/{number}" for number in range(len(film.scenes))]
        questions = puppet_questions({movie: list(zip(keys, [scene.truth for scene in film.scenes], strict=True))})
        told = {movie: list(zip(keys, other_captions(film), strict=True))}
        shares.append(ask_story("narrator", questions, told, PuppetReader(), [20]).share(20))
    assert shares[0] > 90
    assert shares[1] == 0
