"""Best of several: what a describer gets from a system that proposes candidates.

Xie and others, "Shot-by-Shot", 2025, let systems be assistants that give several candidates for each line, of which one
is chosen. Their paper has five by a language model; ours are the candidates of the search that found the caption. The
best is chosen by the measure itself, scene by scene, knowing the reference: it is a bound, and no caption was changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from calvin.core.errors import UsageError
from calvin.evaluation.metrics.base import PairMetric, Pairs
from calvin.evaluation.metrics.registry import METRICS
from calvin.evaluation.scoring import Measure, measure_of_values

USUAL_BEST = ("cider", "rouge")


def best_of(
    pairs: Pairs,
    candidates: Mapping[str, Sequence[str]],
    count: int,
    films: Mapping[str, str],
    metrics: Sequence[str] | None = None,
    device: str | None = None,
) -> list[Measure]:
    """A measure for each metric that scores caption by caption.

    Args:
        candidates: of each scene, best first; where there are fewer than `count`, all are taken.
        metrics: None: CIDEr-D and ROUGE-L. Those that score a set or a film as a whole are left out.

    Raises:
        UsageError: no scene has more than one candidate, or no metric scores caption by caption.
    """
    if not any(len(set(candidates.get(key, ()))) > 1 for key in pairs.ids):
        raise UsageError(
            "There are no candidates to choose from: the captions were made before these were kept, or the model gives "
            "one each. Evaluate again with a CALVIN and more than one beam."
        )
    found = []
    for word in dict.fromkeys(METRICS.find(word).name for word in metrics or USUAL_BEST):
        metric = METRICS.find(word).load()(device)
        if not isinstance(metric, PairMetric):
            continue
        results = [metric.score_pairs(_rank(pairs, candidates, rank)) for rank in range(count)]
        first = results[0]
        if not np.isclose(first.corpus, first.per_item.mean(), rtol=1e-9, atol=1e-12):
            continue  # BLEU and METEOR: scores of the whole set
        best = np.max([result.per_item for result in results], axis=0)
        values = dict(zip(first.ids, map(float, best), strict=True))
        setting = f"the best of at most {count} candidates, chosen by this measure scene by scene; {first.setting}"
        name = f"{first.name}, best of {count}"
        found.append(measure_of_values(name, values, films, setting, comparable=first.comparable))
    if not found:
        raise UsageError("None of these metrics scores caption by caption: name cider or rouge for --best-of.")
    return found


def _rank(pairs: Pairs, candidates: Mapping[str, Sequence[str]], rank: int) -> Pairs:
    """The caption itself for rank 0, then its other candidates; the caption again where there are no more."""
    texts = []
    for key, caption in zip(pairs.ids, pairs.candidates, strict=True):
        others = [text for text in dict.fromkeys(candidates.get(key, ())) if text != caption]
        texts.append(others[rank - 1] if 0 < rank <= len(others) else caption)
    return replace(pairs, candidates=tuple(texts))
