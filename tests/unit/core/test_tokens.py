"""Training and inference lay their sequences out alike: what is generated from is what was trained on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from calvin.core.errors import DataError
from calvin.core.prompts import STAGE_1, Prompt
from calvin.core.tokens import IGNORE_INDEX, Encoded, TokenLayout

CORPUS = [
    "Mara, in a red coat, hands Otto the lamp.",
    "Otto sits down in the kitchen and waves at Mara.",
    "Describe this visual. What is this video about?",
    "The characters and entities in the scene are Mara and Otto.",
]
QUERIES = 4


def byte_level() -> Any:
    """The family of GPT-2 and Llama 3: a space belongs to the word after it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=alphabet, special_tokens=["<s>", "</s>", "<visual>"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def metaspace() -> Any:
    """The family of Llama 2: a space before the first word too."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    special = ["<s>", "</s>", "<visual>", "<unk>"]
    tokenizer.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    )
    return tokenizer


@pytest.fixture(scope="module", params=[byte_level, metaspace])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=request.param(), bos_token="<s>", eos_token="</s>")


def layout_of(tokenizer: Any, **changes: Any) -> TokenLayout:
    settings = {"bos_token_id": 0, "eos_token_id": 1, "visual_token_id": 2, "num_query_tokens": QUERIES, **changes}
    return TokenLayout(tokenizer, **settings)


@pytest.fixture
def layout(tokenizer: PreTrainedTokenizerFast) -> TokenLayout:
    return layout_of(tokenizer)


def learnt(encoded: Encoded) -> list[int]:
    return [label for label in encoded.labels if label != IGNORE_INDEX]


CAPTION = "Mara sits down."
PROMPTS = [Prompt(), Prompt("What is this video about?", ("Otto waves at Mara.",)), Prompt(entities=("Otto",)), STAGE_1]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_what_is_generated_from_is_the_beginning_of_what_was_trained_on(layout: TokenLayout, prompt: Prompt) -> None:
    trained, asked = layout.encode(prompt, CAPTION), layout.encode(prompt)
    assert trained.input_ids[: len(asked.input_ids)] == asked.input_ids
    assert trained.input_ids[len(asked.input_ids) :] == learnt(trained)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_loss_is_on_caption_and_end_only(layout: TokenLayout, prompt: Prompt) -> None:
    encoded = layout.encode(prompt, CAPTION)
    assert len(encoded.labels) == len(encoded.input_ids)
    assert learnt(encoded)[-1] == layout.eos_token_id
    assert layout.tokenizer.decode(learnt(encoded)[:-1]).strip() == CAPTION
    ignored = encoded.labels.count(IGNORE_INDEX)
    assert encoded.labels[:ignored] == [IGNORE_INDEX] * ignored
    assert encoded.labels[ignored:] == encoded.input_ids[ignored:]


def test_the_order_is_start_visual_prompt_caption_end(layout: TokenLayout) -> None:
    encoded = layout.encode(Prompt("What?", ("Otto waves.",)), CAPTION)
    assert encoded.input_ids[: 1 + QUERIES] == [0, *[2] * QUERIES]
    text = layout.tokenizer.decode(encoded.input_ids[1 + QUERIES : -1]).strip()
    assert text == f"Otto waves. What? {CAPTION}"
    assert encoded.input_ids.count(layout.visual_token_id) == QUERIES


def test_a_sample_of_text_alone_has_no_places_for_a_visual(layout: TokenLayout) -> None:
    encoded = layout.encode(Prompt(), CAPTION, visual=False)
    assert layout.visual_token_id not in encoded.input_ids
    assert encoded.input_ids[0] == layout.bos_token_id


def test_stage_1_is_visual_then_caption(layout: TokenLayout) -> None:
    encoded = layout.encode(STAGE_1, CAPTION)
    assert encoded.labels[: 1 + QUERIES] == [IGNORE_INDEX] * (1 + QUERIES)
    assert encoded.labels[1 + QUERIES :] == encoded.input_ids[1 + QUERIES :]


def test_a_prompt_to_generate_from_teaches_nothing(layout: TokenLayout) -> None:
    assert learnt(layout.encode(Prompt())) == []


def test_the_oldest_context_goes_first(tokenizer: PreTrainedTokenizerFast) -> None:
    lines = tuple(f"Otto waves at Mara {number}." for number in range(6))
    prompt = Prompt("What?", lines, entities=("Ann",))
    whole = layout_of(tokenizer).encode(prompt, CAPTION)
    short = layout_of(tokenizer, max_length=len(whole.input_ids) - 1).encode(prompt, CAPTION)
    assert len(short.input_ids) < len(whole.input_ids)
    assert short == layout_of(tokenizer).encode(Prompt("What?", lines[1:], entities=("Ann",)), CAPTION)


@pytest.mark.parametrize("caption", [CAPTION, None])
def test_any_length_that_holds_question_and_caption_will_do(
    tokenizer: PreTrainedTokenizerFast, caption: str | None
) -> None:
    lines = tuple(f"Otto waves at Mara {number}." for number in range(6))
    least = len(layout_of(tokenizer).encode(Prompt(), caption).input_ids)
    for max_length in range(least, least + 40, 3):
        encoded = layout_of(tokenizer, max_length=max_length).encode(Prompt(context=lines), caption)
        assert len(encoded.input_ids) <= max_length
        # As much of the newest context as fits, and not a line less.
        whole = [layout_of(tokenizer).encode(Prompt(context=lines[first:]), caption) for first in range(len(lines) + 1)]
        assert encoded == next(one for one in whole if len(one.input_ids) <= max_length)
    with pytest.raises(DataError, match=f"does not fit into {least - 1}"):
        layout_of(tokenizer, max_length=least - 1).encode(Prompt(context=lines), caption)


@pytest.mark.parametrize("caption", ["", "  ", "\n"])
def test_a_blank_caption_teaches_nothing_and_is_refused(layout: TokenLayout, caption: str) -> None:
    with pytest.raises(DataError, match="must not be blank"):
        layout.encode(Prompt(), caption)


def test_white_space_in_a_caption_is_folded(layout: TokenLayout) -> None:
    assert layout.encode(Prompt(), " Mara \n sits  down. ") == layout.encode(Prompt(), CAPTION)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.text(max_size=30), max_size=4),
    st.text(min_size=1, max_size=40).filter(str.strip),
)
def test_any_words_keep_the_layout(context: list[str], caption: str) -> None:
    layout = layout_of(_BYTES)
    prompt = Prompt(context=tuple(context))
    trained, asked = layout.encode(prompt, caption), layout.encode(prompt)
    assert trained.input_ids[: len(asked.input_ids)] == asked.input_ids
    assert trained.input_ids[len(asked.input_ids) :] == learnt(trained)
    assert len(learnt(trained)) >= 2


_BYTES = PreTrainedTokenizerFast(tokenizer_object=byte_level(), bos_token="<s>", eos_token="</s>")


class Merging:
    """A tokenizer whose tokens reach from the prompt's last word into the caption's first."""

    def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        assert not add_special_tokens
        return {"input_ids": [10 + len(part) for part in text.replace("? M", "?_M").split(" ")]}


def test_tokens_that_would_reach_over_the_border_are_kept_apart() -> None:
    layout = layout_of(Merging())
    trained, asked = layout.encode(Prompt("Who?"), "Mara sits."), layout.encode(Prompt("Who?"))
    assert trained.input_ids[: len(asked.input_ids)] == asked.input_ids
    assert learnt(trained) == [14, 15, 1]
