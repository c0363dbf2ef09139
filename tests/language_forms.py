"""Tiny language models of random weights with tokenizers in the forms of real ones: what is special, and how words are
cut. Trained on the captions of `stage_data`; nothing is downloaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from calvin.core.prompts import EVALUATION_QUESTION, TRAINING_QUESTIONS
from stage_data import SCENES, captions

_SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
}


@dataclass(frozen=True)
class Form:
    """How a family's tokenizer and configuration are: `first` are the special tokens at the start of the vocabulary
    (sentencepiece) or at its end (byte-level), `ids` the configuration's, by the names of those tokens."""

    sentencepiece: bool
    special: tuple[str, ...]
    tokenizer: dict[str, str]
    ids: dict[str, str | list[str] | None]
    adds_bos: bool = False
    spare_rows: int = 0
    beyond: tuple[str, ...] = ()  # added to the tokenizer after the model was made
    qwen: bool = False


FORMS = {
    "llama-2": Form(
        sentencepiece=True,
        special=("<unk>", "<s>", "</s>"),
        tokenizer={"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"},
        ids={"bos_token_id": "<s>", "eos_token_id": "</s>", "pad_token_id": None},
        adds_bos=True,
    ),
    "llama-2 with <pad>": Form(
        sentencepiece=True,
        special=("<unk>", "<s>", "</s>"),
        tokenizer={"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"},
        ids={"bos_token_id": "<s>", "eos_token_id": "</s>", "pad_token_id": None},
        adds_bos=True,
        beyond=("<pad>",),
    ),
    "llama-3": Form(
        sentencepiece=False,
        special=("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        tokenizer={"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
        ids={"bos_token_id": "<|begin_of_text|>", "eos_token_id": ["<|end_of_text|>", "<|eot_id|>"]},
        adds_bos=True,
    ),
    "smollm2": Form(
        sentencepiece=False,
        special=("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        tokenizer={"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"},
        ids={"bos_token_id": "<|im_start|>", "eos_token_id": "<|im_end|>", "pad_token_id": "<|im_end|>"},
    ),
    "qwen": Form(
        sentencepiece=False,
        special=("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        # The base model's configuration and the chat model's tokenizer, as people mix them: another end in each.
        tokenizer={"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        ids={"bos_token_id": "<|endoftext|>", "eos_token_id": "<|endoftext|>"},
        spare_rows=24,
        qwen=True,
    ),
}


def texts() -> list[str]:
    return [*captions(SCENES * 4), *TRAINING_QUESTIONS, EVALUATION_QUESTION, "Mara and Otto."] * 4


def _sentencepiece(form: Form) -> Tokenizer:
    """Llama-2's: a space before the text, spaces as ▁, bytes where there is no token."""
    core = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    core.decoder = decoders.Sequence(steps)
    special = [*form.special, *(f"<0x{byte:02X}>" for byte in range(256))]
    core.train_from_iterator(texts(), trainers.BpeTrainer(vocab_size=420, special_tokens=special, show_progress=False))
    return core


def _byte_level(form: Form) -> Tokenizer:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    core.train_from_iterator(texts(), trainer)
    core.add_special_tokens(list(form.special))
    return core


def make_llama_2(folder: Path) -> Path:
    """As Meta's own files are: a `tokenizer.model` that sentencepiece trained, and no `tokenizer.json`."""
    folder.mkdir(parents=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts()), model_prefix=str(folder / "tokenizer"), vocab_size=420, model_type="bpe",
        byte_fallback=True, split_digits=True, allow_whitespace_only_pieces=True, character_coverage=1.0,
        normalization_rule_name="identity", remove_extra_whitespaces=False, unk_id=0, bos_id=1, eos_id=2, pad_id=-1,
        num_threads=1, minloglevel=2,
    )  # fmt: skip
    (folder / "tokenizer.vocab").unlink()
    stated = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "legacy": False}
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": None}
    (folder / "tokenizer_config.json").write_text(json.dumps({**stated, **special}))
    torch.manual_seed(0)
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}
    LlamaForCausalLM(LlamaConfig(vocab_size=420, **_SHAPE, **ids)).save_pretrained(folder)
    return folder


def make_language(form: Form, folder: Path) -> Path:
    """A model folder as `save_pretrained` leaves one."""
    core = _sentencepiece(form) if form.sentencepiece else _byte_level(form)
    rows = core.get_vocab_size() + form.spare_rows
    if form.adds_bos:
        bos = form.tokenizer["bos_token"]
        core.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, core.token_to_id(bos))]
        )
    core.add_special_tokens(list(form.beyond))
    PreTrainedTokenizerFast(tokenizer_object=core, **form.tokenizer).save_pretrained(folder)

    def number(name: str | Sequence[str] | None) -> Any:
        return core.token_to_id(name) if isinstance(name, str) else name and [core.token_to_id(it) for it in name]

    ids = {name: number(token) for name, token in form.ids.items()}
    torch.manual_seed(0)
    kind: Any = (Qwen2Config, Qwen2ForCausalLM) if form.qwen else (LlamaConfig, LlamaForCausalLM)
    kind[1](kind[0](vocab_size=rows, **_SHAPE, **ids)).save_pretrained(folder)
    return folder
