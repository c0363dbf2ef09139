from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoTokenizer

from calvin.core.errors import UsageError
from calvin.core.prompts import EVALUATION_QUESTION, Prompt
from calvin.data import collate
from calvin.model import load_calvin
from calvin.model.assemble import assemble
from calvin.model.special_tokens import special_tokens
from language_forms import FORMS, make_language

SETTLED = {
    # bos, eos, pad, and what else ends a caption
    "llama-2": ("<s>", "</s>", "</s>", ()),
    "llama-2 with <pad>": ("<s>", "</s>", "</s>", ()),
    "llama-3": ("<|begin_of_text|>", "<|eot_id|>", "<|eot_id|>", ("<|end_of_text|>",)),
    "smollm2": ("<|im_start|>", "<|im_end|>", "<|im_end|>", ()),
    "qwen": ("<|endoftext|>", "<|im_end|>", "<|endoftext|>", ("<|endoftext|>",)),
}
CAPTIONS = ("a man in red waves near the lamp", "a woman bows")


@pytest.fixture(scope="module", params=list(FORMS))
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def language(form: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_language(FORMS[form], tmp_path_factory.mktemp("language"))


@pytest.fixture(scope="module")
def calvin(language: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Assembled, saved and loaded again."""
    qformer = {"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32}
    model, processor = assemble(
        language=language, encoder=("tower", "0123"), image_embed_dim=24, qformer=qformer, num_query_tokens=4,
        max_frames=8,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("calvin")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return load_calvin(folder)


def test_special_tokens_are_those_that_tokenizer_and_model_both_know(form: str, language: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(language)
    found = special_tokens(tokenizer, AutoConfig.from_pretrained(language))
    bos, eos, pad, more = SETTLED[form]
    assert tuple(tokenizer.convert_ids_to_tokens([found.bos, found.eos, found.pad])) == (bos, eos, pad)
    assert tokenizer.convert_ids_to_tokens(list(found.ends)) == [eos, *more]


def test_a_saved_model_says_so_itself(form: str, calvin: tuple[Any, Any]) -> None:
    model, processor = calvin
    tokenizer, (bos, eos, pad, more) = processor.tokenizer, SETTLED[form]
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (bos, eos, pad)
    ends = model.generation_config.eos_token_id
    assert tokenizer.convert_ids_to_tokens([ends] if isinstance(ends, int) else ends) == [eos, *more]
    assert processor.pad_token_id < model.config.text_config.vocab_size
    assert processor.visual_token_id not in {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}


def test_a_sequence_begins_and_ends_once_and_reads_as_it_was_written(form: str, calvin: tuple[Any, Any]) -> None:
    _, processor = calvin
    layout, tokenizer = processor.layout(), processor.tokenizer
    prompt = Prompt(EVALUATION_QUESTION, ("a man sits near the house",))
    encoded = layout.encode(prompt, CAPTIONS[0])
    asked = layout.encode(prompt).input_ids
    assert encoded.input_ids[: len(asked)] == asked  # what is learnt is what is asked for later
    assert encoded.input_ids.count(layout.bos_token_id) == 1
    assert encoded.input_ids[0] == layout.bos_token_id
    assert encoded.input_ids[-1] == layout.eos_token_id
    learnt = [label for label in encoded.labels if label >= 0]
    assert processor.captions([learnt]) == [CAPTIONS[0]]
    assert tokenizer.decode(asked[5:]).strip() == prompt.text


def test_a_padded_batch_is_learnt_as_its_rows_are(calvin: tuple[Any, Any]) -> None:
    model, processor = calvin
    layout = processor.layout()
    rows = [layout.encode(Prompt(EVALUATION_QUESTION), caption) for caption in CAPTIONS]
    embeds = [torch.randn(3, 24).numpy(), torch.randn(5, 24).numpy()]
    with torch.no_grad():
        together = model(**collate(rows, embeds, processor.pad_token_id)).loss
        alone = [model(**collate([row], [vectors])).loss for row, vectors in zip(rows, embeds, strict=True)]
    counts = [sum(label >= 0 for label in row.labels) for row in rows]
    expected = sum(loss * count for loss, count in zip(alone, counts, strict=True)) / sum(counts)
    assert together.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_few_steps_teach_captions_that_end(calvin: tuple[Any, Any]) -> None:
    """Two rows of unlike length are learnt by heart, then asked for, padded on the left."""
    model, processor = calvin
    layout = processor.layout()
    prompts = [Prompt(EVALUATION_QUESTION), Prompt(EVALUATION_QUESTION, ("a woman walks",))]
    rows = [layout.encode(prompt, caption) for prompt, caption in zip(prompts, CAPTIONS, strict=True)]
    embeds = [torch.randn(3, 24).numpy(), torch.randn(5, 24).numpy()]
    batch = collate(rows, embeds, processor.pad_token_id)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
    for _ in range(25):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    inputs = processor(prompts=prompts, image_embeds=embeds)
    for beams in (1, 3):
        said = model.generate(**inputs, num_beams=beams, max_new_tokens=32)
        assert processor.captions(said) == list(CAPTIONS)
        assert said.shape[1] < 32


def test_a_pair_without_any_end_is_refused(calvin: tuple[Any, Any], language: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(language)
    config = AutoConfig.from_pretrained(language)
    tokenizer.eos_token = config.eos_token_id = None
    with pytest.raises(UsageError, match="no end token"):
        special_tokens(tokenizer, config)
