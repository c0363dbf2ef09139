"""Numbers that others published, from the folder of third-party inputs beside the repository."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.evaluation.metrics import Bleu, CiderD, Meteor, RougeL, align
from calvin.evaluation.metrics.bertscore import ROBERTA_LARGE_17, Baseline

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the published inputs are not at {GOLDEN}"),
]


def load(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("quality", ["good", "bad"])
def test_clipscore_example(quality: str) -> None:
    published = load("clipscore_example/expected.json")["published"][quality]
    candidates, references = load(f"clipscore_example/{quality}_captions.json"), load("clipscore_example/refs.json")
    pairs = align(candidates, references)
    for order, expected in enumerate(published["BLEU"], start=1):
        assert Bleu(order).score_pairs(pairs).corpus == pytest.approx(expected, abs=5e-5)
    assert RougeL().score_pairs(pairs).corpus == pytest.approx(published["ROUGE_L"], abs=5e-5)
    assert CiderD().score_pairs(pairs).corpus == pytest.approx(published["CIDEr"], abs=5e-5)


def test_nlg_eval_corpus() -> None:
    published = load("nlg_eval/expected.json")["published"]
    lines = [(GOLDEN / "nlg_eval" / name).read_text().splitlines() for name in ("hyp.txt", "ref1.txt", "ref2.txt")]
    candidates = {str(index): text for index, text in enumerate(lines[0])}
    references = {str(index): list(texts) for index, texts in enumerate(zip(*lines[1:], strict=True))}
    pairs = align(candidates, references)
    for order in (1, 2, 3, 4):
        expected = published[f"Bleu_{order}"]
        assert Bleu(order, "whitespace").score_pairs(pairs).corpus == pytest.approx(expected, abs=5e-7)
    assert RougeL(tokenizer="whitespace").score_pairs(pairs).corpus == pytest.approx(published["ROUGE_L"], abs=5e-7)
    assert CiderD(tokenizer="whitespace").score_pairs(pairs).corpus == pytest.approx(published["CIDEr"], abs=5e-7)


def test_nlg_eval_single_sentence() -> None:
    single = load("nlg_eval/expected.json")["individual"]
    pairs = align({"1": single["hyp"]}, {"1": single["refs"]})
    for order, expected in enumerate(single["published"]["Bleu"], start=1):
        assert Bleu(order, "whitespace").score_pairs(pairs).corpus == pytest.approx(expected, abs=2e-6)
    rouge = RougeL(tokenizer="whitespace").score_pairs(pairs)
    assert rouge.corpus == pytest.approx(single["published"]["ROUGE_L"], abs=2e-7)
    assert CiderD(tokenizer="whitespace").score_pairs(pairs).corpus == single["published"]["CIDEr"] == 0.0


def test_meteor() -> None:
    published = load("clipscore_example/expected.json")["published"]["good"]["METEOR"]
    found = Meteor().score(load("clipscore_example/good_captions.json"), load("clipscore_example/refs.json"))
    assert found.corpus == pytest.approx(published, abs=5e-5)
    assert found.per_item.shape == (2,)


def test_aac_metrics_documentation() -> None:
    given = load("aac_doc/expected.json")
    pairs = align(
        {str(index): text for index, text in enumerate(given["candidates"])},
        {str(index): texts for index, texts in enumerate(given["references"])},
    )
    cider = CiderD().score_pairs(pairs)
    assert cider.corpus == pytest.approx(given["published"]["cider_d"], abs=5e-5)
    assert cider.per_item == pytest.approx(given["published"]["cider_d_per_item"], abs=1e-4)
    assert Bleu(1).score_pairs(pairs).corpus == pytest.approx(given["published"]["bleu_1"], abs=5e-5)


def test_rouge_1_5_5() -> None:
    """Lin's Perl script: F at beta 1, tokens of letters and digits."""
    given = load("rouge155/expected.json")

    def tokens(text: str) -> str:
        return re.sub("[^a-z0-9]+", " ", text.lower())

    pairs = align(
        {str(index): tokens(text) for index, text in enumerate(given["predictions"])},
        {str(index): [tokens(text)] for index, text in enumerate(given["targets"])},
    )
    metric = RougeL(beta=1.0, tokenizer="whitespace")
    precision, recall = metric.precision_recall(pairs)
    found = np.stack([recall, precision, metric.score_pairs(pairs).per_item], axis=1)
    assert found == pytest.approx(np.array(given["published_ROUGE-1.5.5_rougeL_[R,P,F1]"]), abs=5e-6)


def test_the_rescaling_of_bertscore() -> None:
    given = load("bert_score_rescale/expected.json")
    raw, rescaled, zero = given["published_raw"], given["published_rescaled"], given["baseline_row_L17"]
    assert Baseline(zero["P"], zero["R"], zero["F"]) == ROBERTA_LARGE_17
    found = ROBERTA_LARGE_17.apply(np.array([[raw["P"], raw["R"], raw["F1"]]]))
    # the raw numbers are means rounded to 1e-6, which the division by 1 - baseline makes 6e-6
    assert found[0] == pytest.approx([rescaled["P"], rescaled["R"], rescaled["F1"]], abs=6e-6)
