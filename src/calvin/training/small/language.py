"""A small language model from nothing, for models that do not start from a public Llama.

It stands in for Llama in `micro` and `mini`. It learns in a curriculum of phases, each gated on the share of marked
words it predicts: small transformers learn to recall a name from a look suddenly or not at all, and only in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from calvin.core.files import atomic_folder, write_json
from calvin.core.progress import Listener, silent
from calvin.core.tokens import IGNORE_INDEX
from calvin.model.loading import quiet
from calvin.training.loop.train import Batch, LossOf, TrainResult, fingerprint_of, train
from calvin.training.steps import LanguageStep, Phase, Rehearsal

PAD, BOS, EOS, VISUAL = "<pad>", "<s>", "</s>", "<visual>"


class MarkedText(Protocol):
    """A text, and the (start, end) character spans whose prediction counts twice (looked-up names)."""

    @property
    def text(self) -> str: ...

    @property
    def marks(self) -> Sequence[tuple[int, int]]: ...


_REHEARSALS = 2**43
"""Where the texts of rehearsals begin, far from the curriculum's."""
TextsAt = Callable[[str, int, int], Sequence[MarkedText]]
"""(kind, index of the batch, how many) -> texts; a pure function."""


def train_tokenizer(texts: Iterator[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE with BOS, EOS, padding and the visual placeholder; any text round-trips."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS, VISUAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        additional_special_tokens=[VISUAL],
        clean_up_tokenization_spaces=False,
    )


def new_language_model(config: LanguageStep, tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """The step's Llama with random weights, for this vocabulary."""
    torch.manual_seed(seed)
    fields = config.llama_fields() | {"vocab_size": len(tokenizer)}
    fields |= {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    # Eager attention is faster than SDPA at these sizes on a CPU.
    return LlamaForCausalLM(LlamaConfig(**fields, attn_implementation="eager"))


def encode_marked(tokenizer: Any, texts: Sequence[MarkedText]) -> dict[str, Tensor]:
    """input_ids, attention_mask, labels [B, L] and marked [B, L] (True on tokens inside a mark)."""
    rows, marked_rows = [], []
    encodings = tokenizer([item.text for item in texts], add_special_tokens=False, return_offsets_mapping=True)
    for item, ids, offsets in zip(texts, encodings["input_ids"], encodings["offset_mapping"], strict=True):
        # A token belongs to a mark if any of its characters does: " Mara" takes in the space before the name.
        inside = [any(a < end and start < b for start, end in item.marks) for a, b in offsets]
        rows.append(torch.tensor([tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]))
        marked_rows.append(torch.tensor([False, *inside, False]))
    input_ids = pad_sequence(rows, batch_first=True, padding_value=tokenizer.pad_token_id)
    attention_mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    marked = pad_sequence(marked_rows, batch_first=True, padding_value=False)
    labels = input_ids.masked_fill(attention_mask == 0, IGNORE_INDEX)
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels, "marked": marked}


def marked_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Next-token loss on all tokens of [B, L], plus the mean loss on marked ones once more, times `mark_weight`."""
    losses, marked = [], []
    for part in _by_length(batch):
        logits = model(input_ids=part["input_ids"], attention_mask=part["attention_mask"]).logits[:, :-1].float()
        targets = part["labels"][:, 1:]
        known = targets != IGNORE_INDEX
        # Flat [N, V]: cross-entropy over [B, V, L] makes a step take a fifth longer.
        losses.append(functional.cross_entropy(logits[known], targets[known], reduction="none"))
        marked.append(part["marked"][:, 1:][known])
    every, looked_up = torch.cat(losses), torch.cat(marked)
    loss, mark_weight = every.mean(), batch["mark_weight"]
    if mark_weight and looked_up.any():
        loss = loss + mark_weight * every[looked_up].mean()
    return loss


def rehearsed(
    rehearsal: Rehearsal, texts_at: TextsAt, tokenizer: Any, batch_at: Callable[[int], Batch], loss_of: LossOf
) -> tuple[Callable[[int], Batch], LossOf]:
    """The micro-batches of a stage with texts to rehearse in each, and the loss of both."""

    def both_at(index: int) -> Batch:
        texts = texts_at(rehearsal.kind, _REHEARSALS + index, rehearsal.batch_size)
        return {**batch_at(index), "rehearsal": encode_marked(tokenizer, texts)}

    def loss_of_both(model: nn.Module, batch: Batch) -> Tensor:
        own = {name: value for name, value in batch.items() if name != "rehearsal"}
        language = getattr(model, "module", model).get_submodule("language_model")
        texts = {**batch["rehearsal"], "mark_weight": rehearsal.mark_weight}
        return loss_of(model, own) + rehearsal.weight * marked_loss(language, texts)

    return both_at, loss_of_both


def _by_length(batch: Batch, rows: int = 32) -> Iterator[Batch]:
    """The batch in parts of so many rows, from the shortest to the longest, each cut to its longest text: a batch mixes
    drills of 15 and of 150 tokens, and half the work would be padding."""
    lengths = batch["attention_mask"].sum(dim=1)
    for chosen in lengths.argsort(stable=True).split(rows):
        longest = int(lengths[chosen].max())
        yield {name: values[chosen, :longest] for name, values in batch.items() if isinstance(values, Tensor)}


@torch.no_grad()
def marked_accuracy(model: nn.Module, batch: Batch) -> float:
    """Share of marked tokens that are the most probable next token, of a batch as `encode_marked` makes it [B, L]."""
    was_training = model.training
    model.eval()
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
    model.train(was_training)
    marked = batch["marked"][:, 1:]
    right = logits.argmax(-1)[marked] == batch["input_ids"][:, 1:][marked]
    return float(right.float().mean()) if len(right) else 0.0


def train_language_model(
    config: LanguageStep,
    tokenizer: PreTrainedTokenizerFast,
    texts_at: TextsAt,
    folder: Path,
    seed: int,
    listener: Listener = silent,
    loss_of: LossOf = marked_loss,
) -> tuple[LlamaForCausalLM, list[tuple[Phase, TrainResult, float]]]:
    """Run the curriculum. Returns the model, and each phase with its result and its held-out share of marked words."""
    model = new_language_model(config, tokenizer, seed)
    words = fingerprint_of(tokenizer.get_vocab())  # weights are useless with another tokenizer
    results = []
    for number, phase in enumerate(config.phases, 1):
        # Held-out texts: indices from the far end of the stream, never reached by training.
        held_out = encode_marked(tokenizer, texts_at(phase.kind, 2**40 + number, 256))

        def gate(current: nn.Module, _: int, held_out: Batch = held_out, phase: Phase = phase) -> bool:
            return phase.gate_accuracy is not None and marked_accuracy(current, held_out) >= phase.gate_accuracy

        def batch_at(index: int, phase: Phase = phase) -> Batch:
            texts = texts_at(phase.kind, index, phase.batch_size)
            return {**encode_marked(tokenizer, texts), "mark_weight": phase.mark_weight}

        result = train(
            model,
            batch_at,
            phase.loop,
            folder / f"phase{number}-{phase.kind}",
            name=f"language {number}/{len(config.phases)} {phase.kind}",
            identity=[config.model_dump(exclude={"kind", "loss", "phases"}), phase.model_dump(), seed, words],
            loss_of=loss_of,
            gate=gate if phase.gate_accuracy is not None else None,
            listener=listener,
        )
        results.append((phase, result, marked_accuracy(model, held_out)))
    return model, results


def make_language_model(
    step: LanguageStep,
    words: Iterator[str],
    texts_at: TextsAt,
    seed: int,
    target: Path,
    checkpoints: Path,
    listener: Listener = silent,
    loss_of: LossOf = marked_loss,
) -> None:
    """Train a tokenizer on `words` and a new model with it, and leave both in `target` with the phases' scores."""
    tokenizer = train_tokenizer(words, step.vocab_size)
    model, phases = train_language_model(step, tokenizer, texts_at, checkpoints, seed, listener, loss_of)
    facts = [
        {"phase": phase.kind, "steps": result.steps, "loss": result.loss, "marked_accuracy": accuracy}
        for phase, result, accuracy in phases
    ]
    with atomic_folder(target) as temporary, quiet():
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        write_json(temporary / "accuracy.json", facts)
