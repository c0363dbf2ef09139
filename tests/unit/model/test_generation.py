"""Decoding against transformers' own, token for token, on a tiny random Llama."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from calvin.core.errors import UsageError
from calvin.model.generation import Generated, options_from, search_by

PROMPTS, LENGTH, NEW = 5, 9, 12


def tiny_llama(seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=23,  # few words, so that the end comes at different times
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        initializer_range=0.4,
    )
    return LlamaForCausalLM(config).eval()


def both(model: Any, padded: bool = True, prompts: int = PROMPTS, **options: Any) -> tuple[Any, Generated]:
    """The same prompts decoded by transformers and by us; sampling from the same seed."""
    input_ids = torch.randint(3, 23, (prompts, LENGTH))
    mask = torch.ones_like(input_ids)
    for row in range(prompts if padded else 0):
        mask[row, :row] = 0
    embeds = model.get_input_embeddings()(input_ids)
    settings = {"max_new_tokens": NEW, "num_beams": 4, "eos_token_id": 2, **options}
    torch.manual_seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers says that penalties see new tokens only
        theirs = model.generate(
            inputs_embeds=embeds,
            attention_mask=mask,
            pad_token_id=0,
            return_dict_in_generate=True,
            output_scores=True,
            **{"do_sample": False, **settings},
        )
    torch.manual_seed(7)
    with torch.no_grad():
        options = options_from(None, model.config, settings)
        ours = search_by(options)(model, embeds, mask, options, None)
    return theirs, ours


def trimmed(sequences: torch.Tensor, ends: tuple[int, ...]) -> list[list[int]]:
    """Up to the first end token: what stands behind it is padding."""
    rows = []
    for row in sequences.tolist():
        stop = next((index + 1 for index, token in enumerate(row) if token in ends), len(row))
        rows.append(row[:stop])
    return rows


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_return_sequences": 3},
        {"num_beams": 5, "length_penalty": 2.0},
        {"length_penalty": -1.0, "num_return_sequences": 4},
        {"length_penalty": 0.0, "num_beams": 2},
        {"eos_token_id": [2, 5, 7]},
        {"early_stopping": True, "num_return_sequences": 2},
        {"no_repeat_ngram_size": 2},
        {"min_new_tokens": 4},
        {"max_new_tokens": 1},
    ],
    ids=str,
)
def test_beams_are_transformers_beams(seed: int, options: dict[str, Any]) -> None:
    theirs, ours = both(tiny_llama(seed), **options)
    ends = tuple(options.get("eos_token_id", [2]))
    assert trimmed(ours.sequences, ends) == trimmed(theirs.sequences, ends)
    torch.testing.assert_close(ours.scores, theirs.sequences_scores, rtol=1e-4, atol=1e-5)
    assert ours.lengths.tolist() == [len(row) for row in trimmed(theirs.sequences, ends)]


def test_the_parity_covers_early_and_late_ends() -> None:
    lengths = [n for seed in range(4) for n in both(tiny_llama(seed), eos_token_id=[2, 5, 7])[1].lengths.tolist()]
    assert min(lengths) < NEW // 2
    assert max(lengths) == NEW


@pytest.mark.parametrize("seed", range(3))
def test_greedy_is_transformers_greedy(seed: int) -> None:
    for options in ({}, {"no_repeat_ngram_size": 2}, {"eos_token_id": [2, 5, 7]}):
        theirs, ours = both(tiny_llama(seed), num_beams=1, **options)
        ends = tuple(options.get("eos_token_id", [2]))
        assert trimmed(ours.sequences, ends) == trimmed(theirs.sequences, ends)


@pytest.mark.parametrize("beams", [1, 4])
def test_words_that_may_not_be_said_are_transformers(beams: int) -> None:
    said = trimmed(both(tiny_llama(3), num_beams=beams)[1].sequences, (2,))[0]
    words = [[said[0]], said[1:3]]
    theirs, ours = both(tiny_llama(3), num_beams=beams, bad_words_ids=words)
    assert trimmed(ours.sequences, (2,)) == trimmed(theirs.sequences, (2,))
    assert trimmed(ours.sequences, (2,))[0] != said


@pytest.mark.parametrize("beams", [1, 4])
def test_repetition_penalty_is_transformers(beams: int) -> None:
    # without padding: transformers 5.24 exempts as many *new* tokens as a prompt of embeddings has padding
    theirs, ours = both(tiny_llama(3), padded=False, num_beams=beams, repetition_penalty=1.5)
    assert trimmed(ours.sequences, (2,)) == trimmed(theirs.sequences, (2,))


@pytest.mark.parametrize(
    "options", [{"num_beams": 1, "top_k": 5, "temperature": 0.7}, {"temperature": 1.3, "top_p": 0.9}]
)
def test_sampling_draws_what_transformers_draws(options: dict[str, Any]) -> None:
    # one prompt, as we stop drawing for prompts that have ended
    theirs, ours = both(tiny_llama(1), prompts=1, do_sample=True, **options)
    assert trimmed(ours.sequences, (2,)) == trimmed(theirs.sequences, (2,))


def test_a_sliding_window_takes_transformers_own_cache() -> None:
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=23,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=6,
        initializer_range=0.4,
        eos_token_id=2,
    )
    theirs, ours = both(MistralForCausalLM(config).eval(), padded=False)
    assert trimmed(ours.sequences, (2,)) == trimmed(theirs.sequences, (2,))


def test_scores_are_the_models_own_log_probabilities() -> None:
    model = tiny_llama(0)
    input_ids = torch.randint(3, 23, (2, 5))
    embeds = model.get_input_embeddings()(input_ids)
    for options in ({"num_beams": 1, "do_sample": True, "num_return_sequences": 2}, {"num_beams": 3}):
        settings = options_from(None, model.config, {"max_new_tokens": 6, **options})
        with torch.no_grad():
            made = search_by(settings)(model, embeds, torch.ones_like(input_ids), settings, None)
            for row, (tokens, length) in enumerate(zip(made.sequences, made.lengths.tolist(), strict=True)):
                whole = torch.cat([input_ids[row // made.per_prompt], tokens[:length]])[None]
                log_probs = model(whole).logits[0, 4:-1].log_softmax(-1)
                total = log_probs.gather(1, tokens[:length, None]).sum() / length
                assert float(made.scores[row]) == pytest.approx(float(total), abs=1e-4)


def test_a_temperature_moves_deterministic_beams() -> None:
    outcomes = {both_tokens for temperature in (0.3, 1.0, 3.0) for both_tokens in [_beams_at(temperature)]}
    assert len(outcomes) > 1
    assert _beams_at(0.3) == _beams_at(0.3)


def _beams_at(temperature: float) -> tuple[tuple[int, ...], ...]:
    model = tiny_llama(2)
    input_ids = torch.randint(3, 23, (PROMPTS, LENGTH))
    settings = options_from(None, model.config, {"max_new_tokens": 8, "num_beams": 4, "temperature": temperature})
    with torch.no_grad():
        made = search_by(settings)(
            model, model.get_input_embeddings()(input_ids), torch.ones_like(input_ids), settings, None
        )
    return tuple(tuple(row) for row in trimmed(made.sequences, (2,)))


@pytest.mark.parametrize("beams", [1, 4])
def test_prompts_with_limits_of_their_own_become_what_each_becomes_alone(beams: int) -> None:
    model, limits = tiny_llama(3), (NEW, 2, 5, 1, 9)
    embeds = model.get_input_embeddings()(torch.randint(3, 23, (PROMPTS, LENGTH)))
    mask = torch.ones(PROMPTS, LENGTH, dtype=torch.long)

    def search(rows: slice, **changes: Any) -> Generated:
        settings = {"num_beams": beams, "num_return_sequences": beams, "eos_token_id": 2, **changes}
        options = options_from(None, model.config, settings)
        return search_by(options)(model, embeds[rows], mask[rows], options, None)

    with torch.no_grad():
        together = search(slice(None), max_new_tokens=NEW, max_new_tokens_each=limits).candidates()
        for row, limit in enumerate(limits):
            [alone] = search(slice(row, row + 1), max_new_tokens=limit).candidates()
            assert [one.token_ids for one in together[row]] == [one.token_ids for one in alone]
            assert [one.score for one in together[row]] == pytest.approx([one.score for one in alone], abs=1e-5)
        for wrong in ((1, 2), (0,) * PROMPTS, (NEW + 1,) * PROMPTS):
            with pytest.raises(UsageError, match="max_new_tokens_each"):
                search(slice(None), max_new_tokens=NEW, max_new_tokens_each=wrong)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beams": 3}, "beams"),
        ({"num_beams": 0}, "num_beams"),
        ({"temperature": 0.0}, "temperature"),
        ({"num_beams": 2, "num_return_sequences": 3}, "3 sequences.*2 beams"),
    ],
)
def test_wrong_options_are_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        options_from(None, LlamaConfig(), changes)


def test_the_placeholder_is_never_generated(config_of: Any) -> None:
    inside = config_of(visual_token_id=50)
    assert options_from(None, inside, {}).suppress_tokens == (50,)
    assert options_from(None, config_of(), {}).suppress_tokens == ()
