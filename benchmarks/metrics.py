"""How long our metrics take next to pycocoevalcap's, on as many pairs as MAD-eval has.

    python benchmarks/metrics.py [--pairs 6500] [--rounds 5]

Times are the least processor time of several rounds, so that other work on the machine matters little. Tokenised texts
go in on both sides for the n-gram metrics; the tokenizer is timed on its own (pycocoevalcap's is a Java program, whose
wall time is given, start included).
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu as TheirBleu
from pycocoevalcap.cider.cider import Cider as TheirCider
from pycocoevalcap.rouge.rouge import Rouge as TheirRouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from calvin.evaluation.metrics import Bleu, CiderD, RougeL, align, ptb_tokenize
from calvin.evaluation.metrics.base import Pairs

SUBJECTS = ["A man", "The woman", "Two boys", "Her brother", "SOMEONE", "The old sergeant", "They", "A crowd of people"]
VERBS = ["walks", "stares", "runs", "looks back", "turns", "doesn't move", "smiles", "hurries", "climbs", "waits"]
PLACES = ["in the street", "at her", "through the dark hall", "to the car", "on a bench", "across the bridge", "away"]
FLOOR = 5.0


def make_pairs(count: int) -> Pairs:
    """Captions of 4 to 20 words with a long tail of rare ones, half of the references near their candidate."""
    rng = random.Random(0)
    rare = [f"name{index}" for index in range(4000)]

    def caption() -> str:
        parts = [rng.choice(SUBJECTS), rng.choice(VERBS), rng.choice(PLACES)]
        parts += [f"and {rng.choice(VERBS)} {rng.choice(PLACES)}" for _ in range(rng.randint(0, 2))]
        parts.insert(rng.randint(1, len(parts)), f"with {rng.choice(rare)}'s {rng.choice(rare)},")
        return " ".join(parts) + "."

    candidates = {str(index): caption() for index in range(count)}
    references = {
        identity: [text.replace("with", "near") if rng.random() < 0.5 else caption()]
        for identity, text in candidates.items()
    }
    return align(candidates, references)


def least(run: Callable[[], object], rounds: int) -> float:
    """The least processor time of some rounds, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=6500)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    raw = make_pairs(arguments.pairs)

    start = time.process_time()
    sentences = [" ".join(ptb_tokenize(text)) for text in raw.candidates]
    given = [" ".join(ptb_tokenize(texts[0])) for texts in raw.references]
    own = time.process_time() - start
    os.environ["JAVA_TOOL_OPTIONS"] = "-Dfile.encoding=UTF-8"
    start = time.perf_counter()
    PTBTokenizer().tokenize({index: [{"caption": text}] for index, text in enumerate(raw.candidates)})
    PTBTokenizer().tokenize({index: [{"caption": texts[0]}] for index, texts in enumerate(raw.references)})
    java = time.perf_counter() - start
    print(f"{arguments.pairs} pairs, {sum(map(len, map(str.split, sentences))) / len(sentences):.1f} tokens a caption")
    print(f"{'PTB tokens':<12}{own:>8.3f} s   Java (wall) {java:>7.3f} s")

    pairs = Pairs(raw.ids, tuple(sentences), tuple((text,) for text in given))
    theirs = ({key: [text] for key, text in zip(raw.ids, given, strict=True)},)
    theirs += ({key: [text] for key, text in zip(raw.ids, sentences, strict=True)},)
    slow = []
    for ours, oracle, index, floor in (
        (CiderD(tokenizer="whitespace"), TheirCider(), None, FLOOR),
        (RougeL(tokenizer="whitespace"), TheirRouge(), None, FLOOR),
        (Bleu(4, "whitespace"), TheirBleu(4), 3, 0.0),
    ):
        keywords = {"verbose": 0} if index is not None else {}
        fast = least(lambda metric=ours: metric.score_pairs(pairs), arguments.rounds)
        long = least(lambda metric=oracle, options=keywords: metric.compute_score(*theirs, **options), arguments.rounds)
        expected = oracle.compute_score(*theirs, **keywords)[1]
        apart = np.abs(ours.score_pairs(pairs).per_item - (expected if index is None else expected[index])).max()
        print(
            f"{ours.name:<12}{fast:>8.3f} s   pycocoevalcap {long:>6.3f} s   {long / fast:>5.1f} times   "
            f"largest difference {apart:.0e}"
        )
        if long / fast < floor:
            slow.append(ours.name)
    if slow:
        print(f"less than {FLOOR:g} times as fast: {', '.join(slow)}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
