"""Caption metrics. Each takes candidates (id -> text) and references (id -> texts) and gives a `MetricResult` whose
`setting` belongs beside the number:

    CiderD().score({"1": "a man runs"}, {"1": ["a man is running", "someone runs"]})

Texts are tokenised inside, exactly once, as coco-caption does it; give them as they are. Ids that do not match, copies
and empty texts raise `DataError` with counts. To run several metrics, `align` once and call `score_pairs`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "METRICS",
    "BertScore",
    "Bleu",
    "Cider",
    "CiderD",
    "Meteor",
    "Metric",
    "MetricResult",
    "Pairs",
    "RougeL",
    "Spice",
    "align",
    "collect_candidates",
    "collect_references",
    "install_spice",
    "lcs_length",
    "ptb_tokenize",
    "tokenize",
]

if TYPE_CHECKING:
    from calvin.evaluation.metrics.base import (
        Metric,
        MetricResult,
        Pairs,
        align,
        collect_candidates,
        collect_references,
    )
    from calvin.evaluation.metrics.bertscore import BertScore
    from calvin.evaluation.metrics.meteor import Meteor
    from calvin.evaluation.metrics.ngrams import Bleu, Cider, CiderD
    from calvin.evaluation.metrics.ptb import ptb_tokenize, tokenize
    from calvin.evaluation.metrics.registry import METRICS
    from calvin.evaluation.metrics.rouge import RougeL, lcs_length
    from calvin.evaluation.metrics.spice import Spice, install_spice
else:
    _OTHERS = {
        "BertScore": "bertscore",
        "Bleu": "ngrams",
        "Cider": "ngrams",
        "CiderD": "ngrams",
        "METRICS": "registry",
        "Meteor": "meteor",
        "RougeL": "rouge",
        "Spice": "spice",
        "install_spice": "spice",
        "lcs_length": "rouge",
        "ptb_tokenize": "ptb",
        "tokenize": "ptb",
    }

    def __getattr__(name):
        # Lazy, so that help texts can list the metrics without loading torch and numpy.
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_OTHERS.get(name, 'base')}"), name)
