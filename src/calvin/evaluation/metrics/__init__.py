"""Caption metrics. Each takes candidates (id -> text) and references (id -> texts) and gives a `MetricResult` whose
`setting` belongs beside the number:

    CiderD().score({"1": "a man runs"}, {"1": ["a man is running", "someone runs"]})

Texts are tokenised inside, exactly once, as coco-caption does it; give them as they are. Ids that do not match, copies
and empty texts raise `DataError` with counts. To run several metrics, `align` once and call `score_pairs`.
"""

from calvin.evaluation.metrics.base import (
    Metric,
    MetricResult,
    Pairs,
    align,
    collect_candidates,
    collect_references,
)
from calvin.evaluation.metrics.bertscore import BertScore
from calvin.evaluation.metrics.bleu import Bleu
from calvin.evaluation.metrics.cider import Cider, CiderD
from calvin.evaluation.metrics.meteor import Meteor
from calvin.evaluation.metrics.ptb import ptb_tokenize
from calvin.evaluation.metrics.rouge import RougeL, lcs_length
from calvin.evaluation.metrics.spice import Spice
from calvin.evaluation.metrics.spice_jars import install_spice
from calvin.evaluation.metrics.tokens import tokenize

__all__ = [
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
