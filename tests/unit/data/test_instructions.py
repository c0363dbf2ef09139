from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.prompts import EVALUATION_QUESTION, STAGE_1, TRAINING_QUESTIONS, Prompt
from calvin.core.time import Span
from calvin.data import Instructions, Sample, with_context

SCENE = Sample("7", "mad_csv", "film", "video", "He opens the gate.", context=("Ann waits.", "Rain."), movie="film")


def test_stage_1_has_no_prompt() -> None:
    example = Instructions(stage=1)(SCENE)
    assert example.prompt == STAGE_1
    assert example.prompt.text == ""
    assert example.caption == "He opens the gate."


def test_training_draws_every_question_about_equally_often() -> None:
    instructions = Instructions()
    drawn = Counter(instructions(replace(SCENE, id=str(n))).prompt.question for n in range(5400))
    assert set(drawn) == set(TRAINING_QUESTIONS)
    assert min(drawn.values()) > 130
    assert max(drawn.values()) < 280


def test_a_draw_depends_on_seed_epoch_and_sample_and_on_nothing_else() -> None:
    def questions(seed: int, epoch: int) -> list[str | None]:
        return [Instructions(seed=seed)(replace(SCENE, id=str(n)), epoch).prompt.question for n in range(30)]

    assert questions(0, 0) == questions(0, 0)
    assert questions(0, 0) != questions(0, 1)
    assert questions(0, 0) != questions(1, 0)


def test_evaluation_asks_the_fixed_question_with_the_context() -> None:
    example = Instructions(training=False)(SCENE)
    assert example.prompt == Prompt(EVALUATION_QUESTION, ("Ann waits.", "Rain."))


def test_a_sample_keeps_its_own_question() -> None:
    own = replace(SCENE, question="What colour is the gate?")
    for training in (True, False):
        assert Instructions(training=training)(own).prompt == Prompt("What colour is the gate?", SCENE.context)


def test_without_context_a_single_space_holds_its_place() -> None:
    prompt = Instructions(training=False)(replace(SCENE, context=())).prompt
    assert prompt.text == f" {EVALUATION_QUESTION}"


def test_shares_of_other_prompts_are_kept() -> None:
    instructions = Instructions(no_context_share=0.25, entity_share=0.5)
    named = [instructions(replace(SCENE, id=str(n), entities=("Ann", "Bob"))).prompt for n in range(2000)]
    entity = sum(prompt.entities == ("Ann", "Bob") for prompt in named)
    bare = sum(not prompt.entities and not prompt.context for prompt in named)
    assert 900 < entity < 1100
    assert 420 < bare < 580
    assert all(not prompt.context for prompt in named if prompt.entities)
    nameless = [instructions(replace(SCENE, id=str(n))).prompt for n in range(2000)]
    assert not any(prompt.entities for prompt in nameless)
    assert 420 < sum(not prompt.context for prompt in nameless) < 580


def test_text_samples_have_no_visual() -> None:
    assert Instructions()(SCENE).visual
    assert not Instructions()(replace(SCENE, kind="text")).visual


def scene(movie: str | None, start: int, caption: str) -> Sample:
    span = None if movie is None else Span(start, start + 500)
    return Sample(caption, "mad_csv", movie or caption, "video", caption, span, movie=movie)


def test_three_captions_before_oldest_first() -> None:
    scenes = [scene("a", n * 1000, f"c{n}") for n in range(6)]
    contexts = [sample.context for sample in with_context(scenes)]
    assert contexts == [(), ("c0",), ("c0", "c1"), ("c0", "c1", "c2"), ("c1", "c2", "c3"), ("c2", "c3", "c4")]


def test_order_is_by_start_and_no_movie_reaches_into_another() -> None:
    scenes = [scene("a", 9000, "late"), scene("b", 0, "other"), scene("a", 1000, "early"), scene(None, 0, "clip")]
    result = with_context(scenes)
    assert [(sample.caption, sample.context) for sample in result] == [
        ("early", ()),
        ("late", ("early",)),
        ("other", ()),
        ("clip", ()),
    ]


def test_no_context_on_request() -> None:
    assert all(not sample.context for sample in with_context([scene("a", n, str(n)) for n in range(4)], count=0))


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=20),
    st.integers(0, 5),
)
def test_the_context_is_what_stands_before(rows: list[tuple[str, int]], count: int) -> None:
    scenes = [scene(movie, start, f"{movie}{start}-{index}") for index, (movie, start) in enumerate(rows)]
    result = with_context(scenes, count)
    assert sorted(sample.id for sample in result) == sorted(sample.id for sample in scenes)
    for movie in "abc":
        own = [sample for sample in result if sample.movie == movie]
        assert [sample.span for sample in own] == sorted(sample.span for sample in own if sample.span)
        for index, sample in enumerate(own):
            assert sample.context == tuple(other.caption for other in own[max(0, index - count) : index])
