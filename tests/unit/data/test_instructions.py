from __future__ import annotations

from collections import Counter
from dataclasses import replace

from calvin.core.prompts import EVALUATION_QUESTION, STAGE_1, TRAINING_QUESTIONS, Prompt
from calvin.data import Instructions, Sample

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
