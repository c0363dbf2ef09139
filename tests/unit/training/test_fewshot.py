"""Few-shot tuning: the mix of Figure 6, the paper's settings, the base untouched, a run gone on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from calvin.core.errors import DataError
from calvin.data.regularisation import RegularScene
from calvin.model import CalvinConfig, CalvinForConditionalGeneration, CalvinProcessor, load_calvin
from calvin.model.assemble import full_size_config
from calvin.model.tuning import base_kept, load_adapter, save_adapter
from calvin.training.fewshot import (
    PAPER,
    SMALL,
    AdaptConfig,
    FewshotBatches,
    FewshotScene,
    adapt_config,
    adapt_cost,
    tune,
)

Loaded = tuple[CalvinForConditionalGeneration, CalvinProcessor]
QUICK = SMALL.changed(loop=SMALL.loop.changed(steps=4), batch_size=4, lora_rank=2, lora_alpha=4)


@pytest.fixture
def loaded(tiny_model: Path) -> Loaded:
    return load_calvin(tiny_model)


def scenes(count: int = 5) -> list[FewshotScene]:
    rng = np.random.default_rng(0)
    return [
        FewshotScene(str(i), "a man waves", ("man", "woman") if i else (), rng.normal(size=(3, 24)), ("the lamp",))
        for i in range(count)
    ]


def regular(count: int = 8) -> list[RegularScene]:
    rng = np.random.default_rng(1)
    return [RegularScene("a woman walks", rng.normal(size=(2, 24)).astype(np.float32)) for _ in range(count)]


def test_the_defaults_are_the_papers() -> None:
    loop = PAPER.loop
    assert (loop.steps, loop.max_lr, loop.schedule, loop.gradient_accumulation_steps) == (100, 1e-5, "constant", 2)
    assert [loop.lr_at(step) for step in (0, 50, 99)] == [1e-5] * 3
    assert (PAPER.batch_size, PAPER.regularisation, PAPER.context) == (10, 1.0, 0)


def test_a_small_model_has_settings_of_its_own(loaded: Loaded) -> None:
    assert adapt_config(loaded[0].config) is SMALL
    assert adapt_config(full_size_config()) is PAPER


def test_the_mix_is_half_this_film_and_half_others_each_once_an_epoch(loaded: Loaded) -> None:
    batches = FewshotBatches(scenes(), regular(), loaded[1], QUICK)
    answers = [row.answer for row in batches.rows]
    assert answers.count("I don't recognize the characters or entities in the scene. Hence the final caption is: "
                         "a woman walks") == 5  # fmt: skip
    assert answers[1] == (
        "The characters and entities in the scene are man and woman. Hence the final caption is: a man waves"
    )
    assert answers[0].startswith("I don't recognize"), "a scene of the film in which nobody is named"
    assert {row.prompt.text for row in batches.rows} == {" Describe this visual."}
    seen = np.concatenate([batches._permutation(epoch) for epoch in range(2)])
    assert sorted(seen) == sorted([*range(10), *range(10)])
    first = batches.batch_at(0)
    assert first["input_ids"].shape[0] == 4
    assert first["image_embeds"].shape == (4, int(first["frame_mask"].sum(1).max()), 24)
    again = FewshotBatches(scenes(), regular(), loaded[1], QUICK).batch_at(0)
    assert all(torch.equal(first[name], again[name]) for name in first)
    with_context = FewshotBatches(scenes(), regular(), loaded[1], QUICK.changed(context=1))
    assert with_context.rows[0].prompt.text == "the lamp Describe this visual."


def test_too_little_to_learn_from_is_refused(loaded: Loaded) -> None:
    with pytest.raises(DataError, match="at least 2 described scenes"):
        FewshotBatches(scenes(1), regular(), loaded[1], QUICK)
    with pytest.raises(DataError, match="need 5 regularisation scenes, but there are none"):
        FewshotBatches(scenes(), [], loaded[1], QUICK)
    assert len(FewshotBatches(scenes(), [], loaded[1], QUICK.changed(regularisation=0)).rows) == 5


def test_where_there_are_fewer_scenes_of_other_films_all_are_taken(loaded: Loaded) -> None:
    assert len(FewshotBatches(scenes(), regular(4), loaded[1], QUICK).rows) == 9


def test_a_scene_too_long_to_learn_is_named(loaded: Loaded) -> None:
    long = replace(scenes(1)[0], caption="a " * 900)
    with pytest.raises(DataError, match=r"^Scene 0 cannot be learnt: a sample of \d+ tokens does not fit into 512"):
        FewshotBatches([*scenes()[1:], long], regular(), loaded[1], QUICK)
    with pytest.raises(DataError, match=r"^c.csv: line 3 at 00:00:01.000 cannot be learnt.* fewer words"):
        FewshotBatches(
            [*scenes()[1:], replace(long, where="c.csv: line 3 at 00:00:01.000")], regular(), loaded[1], QUICK
        )


def test_the_cost_follows_the_settings_in_units_that_show_it(loaded: Loaded) -> None:
    def last(config: CalvinConfig, settings: AdaptConfig) -> str:
        return adapt_cost(config, settings)[-1]

    tiny = loaded[0].config
    lines = adapt_cost(tiny, SMALL)
    assert not any(" 0.0 " in line or "0.00 " in line for line in lines), lines
    assert "MFLOP" in lines[-1] or "GFLOP" in lines[-1]
    assert "less than a second" in lines[-1]
    prefix = adapt_cost(tiny, SMALL, prefix=4)
    # Keys and values of each layer for each of its tokens, and the projector.
    text = tiny.text_config
    width = text.hidden_size // text.num_attention_heads * text.num_key_value_heads
    projector = sum(value.numel() for value in loaded[0].projector.parameters())
    trained = 4 * 2 * text.num_hidden_layers * width + projector
    assert prefix[0].startswith(f"{trained:,} of "), prefix[0]
    assert prefix[0] != lines[0]
    large = last(full_size_config(), PAPER)
    assert large.startswith("100 micro-batches of 10 at a rate of 1e-05 take 2.6 PFLOP")
    changed = last(full_size_config(), PAPER.changed(loop=PAPER.loop.changed(steps=200, max_lr=1e-4)))
    assert changed.startswith("200 micro-batches of 10 at a rate of 0.0001 take 5.1 PFLOP")


def test_afterwards_the_base_is_the_base_and_the_adapter_brings_the_rest_back(
    loaded: Loaded, tiny_model: Path, tmp_path: Path
) -> None:
    model, processor = loaded
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    batch = FewshotBatches(scenes(), regular(), processor, QUICK).batch_at(0)
    with torch.no_grad(), base_kept(model):
        with torch.enable_grad():
            tune(model, processor, scenes(), regular(), QUICK, tmp_path / "work")
        tuned = model(**batch).logits
        save_adapter(model, tmp_path / "adapter", {"base": "x"}, half=True)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    other, _ = load_calvin(tiny_model)
    with torch.no_grad():
        untuned = other(**batch).logits
        load_adapter(other, tmp_path / "adapter")
        loaded_again = other(**batch).logits
    assert not torch.allclose(untuned, tuned, atol=0.05)
    # Weights near 1 are rounded by at most 2^-11 of themselves; logits here are below 10.
    torch.testing.assert_close(loaded_again, tuned, atol=0.05, rtol=0)
    weights = sum(path.stat().st_size for path in (tmp_path / "adapter").glob("*.safetensors"))
    assert weights < 2.6 * sum(tensor.numel() for tensor in model.projector.parameters()) + 40_000


def test_a_run_that_was_stopped_ends_like_one_that_was_not(tiny_model: Path, tmp_path: Path) -> None:
    def run(folder: Path, steps: tuple[int, ...]) -> dict[str, torch.Tensor]:
        for count in steps:
            model, processor = load_calvin(tiny_model)
            config = QUICK.changed(loop=QUICK.loop.changed(steps=4, checkpoint_every=2))
            if count < 4:
                with pytest.raises(KeyboardInterrupt):
                    tune(model, processor, scenes(), regular(), config, folder, _stop_after(count))
            else:
                tune(model, processor, scenes(), regular(), config, folder)
        return {name: tensor.detach() for name, tensor in model.named_parameters()}

    whole, resumed = run(tmp_path / "a", (4,)), run(tmp_path / "b", (3, 4))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def _stop_after(count: int):  # type: ignore[no-untyped-def]
    def listen(event) -> None:  # type: ignore[no-untyped-def]
        if event.done >= count:
            raise KeyboardInterrupt

    return listen


def test_settings_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        AdaptConfig(batch_size=0)
