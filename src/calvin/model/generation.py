"""Decoding from input embeddings: greedy, sampling and beam search over a prompt that is computed once.

transformers' `generate` repeats every prompt for each beam before it runs it. Here a prompt is run once, its keys and
values are then copied to the beams, and of these only the new part is reordered at each step. The search itself takes
the same decisions as transformers' (log-probabilities, 2K candidates, length penalty, the stopping rule of
`early_stopping=False`), so the tokens are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from transformers import (
    Cache,
    GenerationConfig,
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    NoBadWordsLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    PreTrainedConfig,
    PreTrainedModel,
    RepetitionPenaltyLogitsProcessor,
    SuppressTokensLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from calvin.core.config import FrozenConfig
from calvin.core.errors import UsageError
from calvin.model.cache import Decoding

_NEVER = -1.0e9
"""Score of what must not be chosen."""


class Options(FrozenConfig):
    """How to decode. Names and meaning are those of transformers' GenerationConfig.

    `temperature` divides the logits. In sampling it does what it does in transformers; in a deterministic beam search
    it sharpens or flattens the distribution that the beams are scored by (Figure 8). `max_new_tokens_each` [B] are
    limits of the prompts' own, below `max_new_tokens`: what each becomes is what it would become alone with its own.
    """

    max_new_tokens: int = Field(default=64, ge=1)
    max_new_tokens_each: tuple[int, ...] = ()
    min_new_tokens: int = Field(default=0, ge=0)
    num_beams: int = Field(default=1, ge=1)
    num_return_sequences: int = Field(default=1, ge=1)
    do_sample: bool = False
    temperature: float = Field(default=1.0, gt=0)
    top_k: int = Field(default=0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    length_penalty: float = 1.0
    early_stopping: bool = False
    repetition_penalty: float = Field(default=1.0, gt=0)
    no_repeat_ngram_size: int = Field(default=0, ge=0)
    eos_token_id: tuple[int, ...] = ()
    pad_token_id: int = 0
    suppress_tokens: tuple[int, ...] = ()
    bad_words_ids: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer: its ids without padding and end token, and its score (log-probability / length ** penalty)."""

    token_ids: tuple[int, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Generated:
    """`sequences` [B * R, L'] padded after the end, their `scores` [B * R] and `lengths` [B * R] (end included)."""

    sequences: Tensor
    scores: Tensor
    lengths: Tensor
    per_prompt: int
    eos_token_id: tuple[int, ...]

    def candidates(self) -> list[list[Candidate]]:
        """For each prompt its candidates, best first."""
        rows = []
        columns = (self.sequences.tolist(), self.lengths.tolist(), self.scores.tolist())
        for ids, length, score in zip(*columns, strict=True):
            kept = tuple(token for token in ids[:length] if token not in self.eos_token_id)
            rows.append(Candidate(kept, score))
        groups = [rows[start : start + self.per_prompt] for start in range(0, len(rows), self.per_prompt)]
        return [sorted(group, key=lambda candidate: -candidate.score) for group in groups]


Search = Callable[[PreTrainedModel, Tensor, Tensor, Options, Cache | None], Generated]
"""Continues each prompt. Takes a causal language model in evaluation mode, input embeddings [B, L, H], left-padded,
their mask [B, L], the options, and the keys and values of a learned prefix that precedes every prompt."""


def options_from(base: GenerationConfig | None, config: PreTrainedConfig, changes: dict[str, Any]) -> Options:
    """Options from a generation configuration, the model's token ids and what the caller changes.

    Raises:
        UsageError: an unknown option or a value out of range.
    """
    values = {name: getattr(base, name, None) for name in Options.model_fields}
    values = {name: value for name, value in values.items() if value is not None}
    values.update(changes)
    text = config.get_text_config()
    eos = values.get("eos_token_id", text.eos_token_id)
    ends = () if eos is None else tuple(eos) if isinstance(eos, Sequence) else (eos,)
    pad = values.get("pad_token_id", text.pad_token_id)
    values["eos_token_id"] = ends
    values["pad_token_id"] = pad if pad is not None else (ends[0] if ends else 0)
    visual = getattr(config, "visual_token_id", None)
    if visual is not None and visual < text.vocab_size:
        values["suppress_tokens"] = (*(values.get("suppress_tokens") or ()), visual)
    options = Options.load(values, source="generate")
    beams, wanted = options.num_beams, options.num_return_sequences
    if wanted > beams and not options.do_sample:
        raise UsageError(f"{wanted} sequences were asked for from {beams} beams: raise num_beams or set do_sample.")
    return options


def _limits(options: Options, prompts: int, device: torch.device) -> Tensor:
    """The most new tokens of each prompt [B]."""
    each = options.max_new_tokens_each or (options.max_new_tokens,) * prompts
    if len(each) != prompts or min(each) < 1 or max(each) > options.max_new_tokens:
        raise UsageError(
            f"max_new_tokens_each takes a number from 1 to max_new_tokens ({options.max_new_tokens}) for each of the "
            f"{prompts} prompts."
        )
    return torch.tensor(each, device=device)


def search_by(options: Options) -> Search:
    """The search that continues each prompt as the options ask: by beams, else token by token."""
    return beam_search if options.num_beams > 1 else sample


def logits_processors(options: Options, device: torch.device) -> LogitsProcessorList:
    """transformers' own processors for these options. They see the new tokens only: a caption may repeat the prompt."""
    processors = LogitsProcessorList()
    if options.repetition_penalty != 1.0:
        processors.append(RepetitionPenaltyLogitsProcessor(options.repetition_penalty))
    if options.no_repeat_ngram_size:
        processors.append(NoRepeatNGramLogitsProcessor(options.no_repeat_ngram_size))
    if options.min_new_tokens and options.eos_token_id:
        ends = list(options.eos_token_id)
        processors.append(MinNewTokensLengthLogitsProcessor(0, options.min_new_tokens, ends, device=str(device)))
    if options.suppress_tokens:
        processors.append(SuppressTokensLogitsProcessor(list(options.suppress_tokens), device=str(device)))
    if options.bad_words_ids:
        words = [list(word) for word in options.bad_words_ids]
        processors.append(NoBadWordsLogitsProcessor(words, list(options.eos_token_id) or None))
    if options.do_sample:
        keep = 2 if options.num_beams > 1 else 1  # beams need a second choice beside the end token
        if options.temperature != 1.0:
            processors.append(TemperatureLogitsWarper(options.temperature))
        if options.top_k:
            processors.append(TopKLogitsWarper(options.top_k, min_tokens_to_keep=keep))
        if options.top_p < 1.0:
            processors.append(TopPLogitsWarper(options.top_p, min_tokens_to_keep=keep))
    return processors


def sample(
    decoder: PreTrainedModel, inputs_embeds: Tensor, attention_mask: Tensor, options: Options, prefix: Cache | None
) -> Generated:
    """Greedy decoding or sampling from prompts [B, L, H] with mask [B, L]; rows that have ended leave the batch."""
    state = Decoding(decoder, inputs_embeds, attention_mask, options.max_new_tokens, prefix)
    state.expand(options.num_return_sequences)
    rows = len(inputs_embeds) * options.num_return_sequences
    device = inputs_embeds.device
    tokens = torch.full((rows, options.max_new_tokens), options.pad_token_id, device=device)
    scores = torch.zeros(rows, device=device)
    lengths = torch.full((rows,), options.max_new_tokens, device=device)
    ends = torch.tensor(options.eos_token_id, dtype=torch.long, device=device)
    processors = logits_processors(options, device)
    active = torch.arange(rows, device=device)
    limits = _limits(options, len(inputs_embeds), device).repeat_interleave(options.num_return_sequences)
    logits = state.logits
    for step in range(options.max_new_tokens):
        processed = processors(tokens[active, :step], logits.clone())
        chosen = torch.multinomial(processed.softmax(-1), 1).squeeze(1) if options.do_sample else processed.argmax(-1)
        tokens[active, step] = chosen
        scores[active] += logits.log_softmax(-1).gather(1, chosen[:, None]).squeeze(1)
        ended = torch.isin(chosen, ends) | (step + 1 == limits[active])
        lengths[active[ended]] = step + 1
        if ended.all() or step + 1 == options.max_new_tokens:
            break
        if ended.any():
            # Rows that have ended are not computed any further; `active` keeps the places of the others.
            state.select((~ended).nonzero().squeeze(1))
            active, chosen = active[~ended], chosen[~ended]
        logits = state.step(chosen)
    scores = scores / lengths**options.length_penalty
    tokens = tokens[:, : int(lengths.max())]
    return Generated(tokens, scores, lengths, options.num_return_sequences, options.eos_token_id)


@dataclass
class _Beams:
    """K hypotheses of each of B prompts: token ids [B, K, T], scores and lengths [B, K]."""

    tokens: Tensor
    scores: Tensor
    lengths: Tensor

    @classmethod
    def empty(cls, batch: int, beams: int, options: Options, device: torch.device) -> _Beams:
        return cls(
            torch.full((batch, beams, options.max_new_tokens), options.pad_token_id, device=device),
            torch.full((batch, beams), _NEVER, device=device),
            torch.zeros((batch, beams), dtype=torch.long, device=device),
        )

    def best(self, count: int) -> tuple[_Beams, Tensor]:
        """The `count` of highest score, best first, and which they were [B, count]."""
        chosen = self.scores.topk(count, dim=1).indices
        return self[_rows(chosen), chosen], chosen

    def joined(self, other: _Beams) -> _Beams:
        pairs = ((self.tokens, other.tokens), (self.scores, other.scores), (self.lengths, other.lengths))
        return _Beams(*(torch.cat(pair, dim=1) for pair in pairs))

    def __getitem__(self, chosen: Any) -> _Beams:
        return _Beams(self.tokens[chosen], self.scores[chosen], self.lengths[chosen])

    def __setitem__(self, chosen: Tensor, other: _Beams) -> None:
        self.tokens[chosen], self.scores[chosen], self.lengths[chosen] = other.tokens, other.scores, other.lengths


def _rows(chosen: Tensor) -> Tensor:
    """Row numbers [B, 1], to be used with the places [B, K] chosen in each row."""
    return torch.arange(len(chosen), device=chosen.device)[:, None]


def beam_search(
    decoder: PreTrainedModel, inputs_embeds: Tensor, attention_mask: Tensor, options: Options, prefix: Cache | None
) -> Generated:
    """Beam search, or beam sampling with `do_sample`, from prompts [B, L, H] with mask [B, L]; prompts that cannot
    improve leave the batch."""
    batch, beams, device = len(inputs_embeds), options.num_beams, inputs_embeds.device
    state = Decoding(decoder, inputs_embeds, attention_mask, options.max_new_tokens, prefix)
    state.expand(beams)
    processors = logits_processors(options, device)
    results = _Beams.empty(batch, beams, options, device)
    running, finished = _Beams.empty(batch, beams, options, device), _Beams.empty(batch, beams, options, device)
    running.scores[:, 0] = 0.0  # at first all beams are alike, so only one of them may be continued
    prompts, limits = torch.arange(batch, device=device), _limits(options, batch, device)
    logits = state.logits
    for step in range(options.max_new_tokens):
        candidates, origin, ended = _continuations(running, logits, step, options, processors, limits[prompts])
        # With one end token each beam ends at most once, so of 2K candidates at least K go on.
        running, chosen = replace(candidates, scores=candidates.scores + ended * _NEVER).best(beams)
        finished = _finish(finished, candidates, ended, step, options)
        improvable = _improvable(running, finished, step, options)
        closed = ~improvable | (step + 1 >= limits[prompts])
        results[prompts[closed]] = finished[closed]
        if closed.all():
            break
        # The cache holds the beams of all prompts in one dimension, K rows after K rows.
        state.reorder((origin.gather(1, chosen) + beams * _rows(chosen)).flatten())
        if closed.any():
            prompts, running, finished = prompts[~closed], running[~closed], finished[~closed]
            state.select((~closed).repeat_interleave(beams).nonzero().squeeze(1))
        logits = state.step(running.tokens[:, :, step].flatten())
    wanted = options.num_return_sequences
    lengths = results.lengths[:, :wanted].flatten()
    sequences = results.tokens[:, :wanted].flatten(0, 1)[:, : int(lengths.max())]
    return Generated(sequences, results.scores[:, :wanted].flatten(), lengths, wanted, options.eos_token_id)


def _continuations(
    running: _Beams, logits: Tensor, step: int, options: Options, processors: LogitsProcessorList, limits: Tensor
) -> tuple[_Beams, Tensor, Tensor]:
    """The best one-token continuations of each prompt's beams, enough that K go on when K end; `limits` [B] end all.

    Returns the continuations [B, C], the beam each came from [B, C], and whether it has ended [B, C].
    """
    batch, beams, _ = running.tokens.shape
    if options.temperature != 1.0 and not options.do_sample:
        logits = logits / options.temperature
    log_probs = processors(running.tokens[:, :, :step].flatten(0, 1), logits.log_softmax(-1))
    vocabulary = log_probs.shape[-1]
    # All beams of a prompt compete in one list: the score so far plus that of each next token.
    totals = (log_probs.view(batch, beams, vocabulary) + running.scores[:, :, None]).flatten(1)
    count = max(2, 1 + len(options.eos_token_id)) * beams
    if options.do_sample:
        drawn = torch.multinomial(totals.softmax(-1), count)
        scores, order = totals.gather(1, drawn).sort(dim=1, descending=True)
        indices = drawn.gather(1, order)
    else:
        scores, indices = totals.topk(count, dim=1)
    origin, token = indices // vocabulary, indices % vocabulary
    tokens = running.tokens[_rows(origin), origin]
    tokens[:, :, step] = token
    ends = torch.tensor(options.eos_token_id, dtype=torch.long, device=token.device)
    ended = torch.isin(token, ends) | (step + 1 == limits[:, None])
    return _Beams(tokens, scores, torch.full_like(origin, step + 1)), origin, ended


def _finish(finished: _Beams, candidates: _Beams, ended: Tensor, step: int, options: Options) -> _Beams:
    """The K best finished hypotheses, now that some of the first K candidates may have ended too."""
    beams = options.num_beams
    # As in transformers: what ends below the K best continuations never counts.
    allowed = ended & (torch.arange(ended.shape[1], device=ended.device) < beams)
    scores = candidates.scores / (step + 1) ** options.length_penalty
    return finished.joined(replace(candidates, scores=scores + ~allowed * _NEVER)).best(beams)[0]


def _improvable(running: _Beams, finished: _Beams, step: int, options: Options) -> Tensor:
    """Whether [B] a running beam, at its present length, could still beat the worst of K finished ones."""
    full = (finished.scores > _NEVER / 2).all(dim=1)
    if options.early_stopping:
        return ~full
    possible = running.scores[:, 0] / (step + 1) ** options.length_penalty
    return ~full | (possible > finished.scores.min(dim=1).values)
