"""Every option of transformers' `generate`: it works, or is refused with the reason that docs/transformers.md gives."""

from __future__ import annotations

import inspect
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    GenerationConfig,
    GenerationMixin,
    LogitsProcessor,
    LogitsProcessorList,
    MaxLengthCriteria,
    StoppingCriteriaList,
)

from calvin.core.errors import DataError, FeatureError, UsageError
from calvin.model import CalvinForConditionalGeneration
from calvin.model.generate_options import ARGUMENTS, REFUSED
from calvin.model.generation import Options
from calvin.model.padding import mask_of
from calvin.model.tuning import add_prefix

Batch = dict[str, torch.Tensor]
TABLE = (
    (Path(__file__).parents[3] / "docs" / "transformers.md").read_text(encoding="utf-8").partition("## `generate`")[2]
)
ROWS = [row.split("|")[1:3] for row in TABLE.splitlines() if row.startswith("| `")]
SAID = {name: verdict for names, verdict in ROWS for name in re.findall(r"`(\w+)`", names)}
NEW = {"max_new_tokens": 6}


class Only(LogitsProcessor):
    """Leaves one word."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return torch.full_like(scores, -1e9).index_fill(1, torch.tensor([7]), 0.0)


def test_the_table_names_every_option_and_says_of_each_what_is_so() -> None:
    fields = {name for name in vars(GenerationConfig()) if not name.startswith("_")} - {"transformers_version"}
    arguments = set(inspect.signature(GenerationMixin.generate).parameters) - {"self", "kwargs"}
    missing = (fields | arguments | ARGUMENTS | set(REFUSED) | set(Options.model_fields)) - set(SAID)
    assert not missing
    for name, verdict in SAID.items():
        assert verdict.strip().startswith("refused: ") == (name in REFUSED), name


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_be_had_is_refused_with_its_reason(
    model: CalvinForConditionalGeneration, batch: Batch, name: str
) -> None:
    with pytest.raises(UsageError, match=f"{name} cannot be had"):
        model.generate(**batch, **NEW, **{name: 2})


@pytest.mark.parametrize(
    "options",
    [
        {"min_p": 0.3, "do_sample": True},
        {"typical_p": 0.5, "do_sample": True},
        {"top_h": 0.3, "do_sample": True},
        {"epsilon_cutoff": 0.02, "do_sample": True},
        {"eta_cutoff": 0.02, "do_sample": True},
        {"begin_suppress_tokens": [5]},
        {"forced_eos_token_id": 2},
        {"sequence_bias": [[[5], 9.0]]},
        {"exponential_decay_length_penalty": (1, 1.5)},
        {"watermarking_config": {"bias": 2.5}},
        {"early_stopping": "never", "num_beams": 3},
        {"renormalize_logits": True, "num_beams": 2, "repetition_penalty": 1.4},
        {"logits_processor": LogitsProcessorList([Only()])},
        {"stopping_criteria": StoppingCriteriaList([MaxLengthCriteria(3)])},
        {"prefix_allowed_tokens_fn": lambda row, ids: [3, 4, 5 + row]},
        {"cache_implementation": "static"},
        {"remove_invalid_values": True, "no_repeat_ngram_size": 2, "suppress_tokens": [5], "bad_words_ids": [[6]]},
        {"max_time": 60.0, "synced_gpus": False, "min_new_tokens": 5},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_our_search_lacks_is_as_transformers_does_it(
    model: CalvinForConditionalGeneration, batch: Batch, options: dict[str, Any]
) -> None:
    embeds = model.embed_inputs(batch["input_ids"], batch["image_embeds"], frame_mask=batch["frame_mask"])
    given = {"inputs_embeds": embeds, "attention_mask": batch["attention_mask"], "pad_token_id": 0, **NEW}
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers says that penalties see new tokens only
        theirs = model.decoder.generate(**given, **{"do_sample": False, "top_k": 0, **options})
    torch.manual_seed(3)
    assert torch.equal(model.generate(**batch, **NEW, **options), theirs)
    configured = {name: value for name, value in options.items() if name not in ARGUMENTS}
    if configured == options:
        torch.manual_seed(3)
        config = GenerationConfig(**NEW, **options)
        assert torch.equal(model.generate(**batch, generation_config=config), theirs)


@pytest.mark.parametrize("beams", [1, 3])
def test_dictionaries_hold_the_same_words(model: CalvinForConditionalGeneration, batch: Batch, beams: int) -> None:
    options = {**NEW, "num_beams": beams, "no_repeat_ngram_size": 2}
    plain = model.generate(**batch, **options)
    found = model.generate(**batch, **options, return_dict_in_generate=True, output_scores=True, output_logits=True)
    assert torch.equal(found.sequences, plain)
    assert len(found.scores) == len(found.logits) == plain.shape[1]


def test_a_temperature_of_beams_is_the_same_in_both_loops(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    options = {**NEW, "num_beams": 4, "temperature": 4.0, "suppress_tokens": [5], "no_repeat_ngram_size": 2}
    ours = model.generate(**batch, **options)
    assert torch.equal(model.generate(**batch, **options, return_dict_in_generate=True).sequences, ours)
    assert not torch.equal(model.generate(**batch, **{**options, "temperature": 1.0}), ours)


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}])
def test_a_prefix_goes_through_transformers_loop_too(
    model: CalvinForConditionalGeneration, batch: Batch, options: dict[str, Any]
) -> None:
    add_prefix(model, tokens=3)
    plain = model.generate(**batch, **NEW, **options)
    assert torch.equal(model.generate(**batch, **NEW, **options, return_dict_in_generate=True).sequences, plain)


def test_lengths_that_count_the_prompt(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    assert torch.equal(model.generate(**batch, max_length=18), model.generate(**batch, max_new_tokens=6))
    assert model.generate(**batch, min_length=20, max_length=21).shape[1] >= 8
    model.generation_config.max_new_tokens = 3
    assert model.generate(**batch, max_length=20, min_length=20).shape[1] == 8
    with pytest.raises(UsageError, match="max_length 12 leaves no room"):
        model.generate(**batch, max_length=12)


def test_new_words_are_streamed(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    class Streamer:
        def __init__(self) -> None:
            self.words: list[int] = []

        def put(self, value: torch.Tensor) -> None:
            self.words += value.flatten().tolist()

        def end(self) -> None:
            self.words.append(-1)

    streamer = Streamer()
    one = {name: value[:1] for name, value in batch.items()}
    assert [*model.generate(**one, **NEW, streamer=streamer)[0].tolist(), -1] == streamer.words


def test_prompts_padded_on_the_right_are_turned(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    expected = model.generate(**batch, **NEW)
    right = {**batch, "input_ids": batch["input_ids"].clone(), "attention_mask": torch.ones_like(batch["input_ids"])}
    right["input_ids"][2] = torch.cat([batch["input_ids"][2, 2:], torch.zeros(2, dtype=torch.long)])
    right["attention_mask"][2, -2:] = 0
    assert torch.equal(model.generate(**right, **NEW), expected)
    del right["attention_mask"]
    assert torch.equal(model.generate(**right, **NEW), expected), "the padding token tells"
    embeds = model.embed_inputs(right["input_ids"], batch["image_embeds"], frame_mask=batch["frame_mask"])
    mask = torch.ones_like(right["input_ids"])
    mask[2, -2:] = 0
    assert torch.equal(model.generate(inputs_embeds=embeds, attention_mask=mask, **NEW), expected)


def test_a_start_token_that_pads_too_is_kept_once() -> None:
    ids = torch.tensor([[9, 9, 9, 4, 5], [9, 4, 5, 9, 9], [9, 4, 5, 6, 7]])
    assert mask_of(ids, 9, 9).tolist() == [[0, 0, 1, 1, 1], [1, 1, 1, 0, 0], [1] * 5]
    assert mask_of(ids, 9, 1).tolist() == [[0, 0, 0, 1, 1], [0, 1, 1, 0, 0], [0, 1, 1, 1, 1]]
    with pytest.raises(DataError, match="Row 0 holds nothing but padding"):
        mask_of(torch.tensor([[9, 9]]), 9)


def test_what_is_wrong_is_said(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    with pytest.raises(UsageError, match="no option 'num_beam'"):
        model.generate(**batch, num_beam=2)
    with pytest.raises(UsageError, match="takes tokens alone"):
        model.generate(**batch, cache_implementation="paged")
    with pytest.raises(UsageError, match="Give a function"):
        model.generate(**batch, custom_generate="somebody/code")
    with pytest.raises(UsageError, match="generate_candidates has no min_p"):
        model.generate_candidates(**batch, min_p=0.5, do_sample=True)
    with pytest.raises(DataError, match="nothing to continue"):
        model.generate()
    batch["image_embeds"][2, 1, 4] = float("nan")
    with pytest.raises(FeatureError, match="row 2 hold NaN"):
        model.generate(**batch, **NEW)
    batch["image_embeds"][2, 1, 4] = 0.0
    batch["image_embeds"][0, 5] = float("nan")  # a frame that is masked
    assert model.generate(**batch, **NEW).shape[0] == 3
