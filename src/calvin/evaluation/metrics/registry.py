"""Metrics by the word that asks for them, each imported only then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from calvin.core.registry import Manifest, Registry

if TYPE_CHECKING:
    from calvin.evaluation.metrics.base import FilmMetric, Metric

Maker: TypeAlias = "Callable[[str | None], Metric | FilmMetric]"


@dataclass(frozen=True, slots=True)
class MetricKind(Manifest[Maker]):
    """One metric; its target is called with the device to compute on (None: the best there is).

    `usual` metrics are those of the paper and Recall@k/N: they are computed where none is asked for by name.
    """

    usual: bool = False

    what: ClassVar[str] = "metric"


def _metric(name: str, about: str, target: str, usual: bool = False) -> MetricKind:
    return MetricKind(name, about, f"calvin.evaluation.metrics.{target}", "metrics", usual)


METRICS = Registry(
    MetricKind,
    (
        _metric("bertscore", "BERTScore F1", "bertscore:BertScore.best_available", usual=True),
        _metric("cider", "CIDEr-D, which papers print as CIDEr", "ngrams:CiderD.of", usual=True),
        _metric("rouge", "ROUGE-L", "rouge:RougeL.of", usual=True),
        _metric("spice", "SPICE, by Java", "spice:Spice.of", usual=True),
        _metric("recall", "Recall@k/N among neighbouring scenes", "recall:Recall.best_available", usual=True),
        _metric("bleu", "BLEU-4", "ngrams:Bleu.of"),
        _metric("meteor", "METEOR 1.5, by Java", "meteor:Meteor.of"),
        _metric("cider-plain", "CIDEr as first published", "ngrams:Cider.of"),
        _metric("repetition", "what is said again within ten captions", "repetition:Repetition.of"),
        _metric("redundancy", "words that one of the last ten captions had", "repetition:Repetition.redundancy"),
        _metric("action-score", "whether the reference's actions are told", "action_score:ActionScore.of"),
        _metric("llm-ad-eval", "how well references are matched, by --judge", "judged:LlmAdEval.of"),
        _metric("story-recall", "how much of the story is told, by --judge", "judged:StoryRecall.of"),
        _metric("ratings", "six dimensions from 1 to 5, by --judge", "judged:Ratings.of"),
        _metric("name-iou", "who is named, against the reference", "critic:NameIoU.of"),
        _metric("critic", "who is meant, pronouns included, by fastcoref", "critic:Critic.of"),
    ),
    "metrics",
    aliases={
        **dict.fromkeys(("bertscore-f1", "bert-score"), "bertscore"),
        **dict.fromkeys(("cider-d", "ciderd"), "cider"),
        **dict.fromkeys(("rouge-l", "rougel"), "rouge"),
        **dict.fromkeys(("bleu-4", "bleu4", "bleu@4"), "bleu"),
        "storyrecall": "story-recall",
        **dict.fromkeys(("r@1/5", "r@5/16", "recall@1/5", "recall@5/16", "recall@k/n"), "recall"),
    },
)
"""Their names, and those by which tables and papers print them."""
USUAL = tuple(kind.name for kind in METRICS.built_in.values() if kind.usual)
