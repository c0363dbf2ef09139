"""Caption metrics. Each takes candidates (id -> text) and references (id -> texts) and gives a `MetricResult` whose
`setting` belongs beside the number:

    CiderD().score({"1": "a man runs"}, {"1": ["a man is running", "someone runs"]})

Texts are tokenised inside, exactly once, as coco-caption does it; give them as they are. Ids that do not match, copies
and empty texts raise `DataError` with counts. To run several metrics, `align` once and call `score_pairs`.

What is here stands in `__init__.pyi`. It is imported on first use: help texts list the metrics and load no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
