"""Which samples of a source can be learnt from: those whose features are there and long enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from calvin.data.features import NO_FEATURES, Features
from calvin.data.sample_table import SampleDigest, SampleTable, read_report, report_facts
from calvin.data.samples import DropReport, Sample


def find_unusable(
    source: str, samples: Sequence[Sample], features: Features, report: DropReport
) -> tuple[Sequence[Sample], set[str], int]:
    """The samples without those whose features are missing or end before the sample does, which are counted.

    Of a table this is found out once and kept beside it, as long as neither samples nor features change.

    Returns:
        what is left; the ids of what is not, where all were in memory; how many further ones are not.
    """
    if isinstance(samples, SampleTable):
        left = _of_table(source, samples, features, report)
        return left, set(), len(samples) - len(left)
    kept, ids = [], set()
    for sample in samples:
        if problem := features.problem(sample.media_id, sample.span):
            report.drop(f"{problem}, source {source}", _named(sample, problem))
            ids.add(sample.id)
        else:
            kept.append(sample)
    return kept, ids, 0


def _of_table(source: str, samples: SampleTable, features: Features, report: DropReport) -> SampleTable:
    def look() -> dict[str, Any]:
        found, bad, digest = DropReport(), list[int](), SampleDigest()
        for place, sample in enumerate(samples):
            if problem := features.problem(sample.media_id, sample.span):
                found.drop(f"{problem}, source {source}", _named(sample, problem))
                bad.append(place)
            else:
                digest.add(sample)
        return {"bad": bad, "digest": digest.hexdigest(), "report": report_facts(found, {})}

    facts = samples.kept("usable", look, source, features.state) if features.state else look()
    report.merge(read_report(facts["report"])[0])
    left = samples.without(np.array(facts["bad"], np.int64))
    left.kept("digest", lambda: {"digest": facts["digest"]})
    return left


def _named(sample: Sample, problem: str) -> str:
    return sample.media_id if problem == NO_FEATURES else sample.id
