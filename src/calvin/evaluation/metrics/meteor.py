"""METEOR 1.5 (Denkowski and Lavie, 2014), by the authors' Java program as the package pycocoevalcap carries it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calvin.core.errors import DataError, MissingExtraError
from calvin.evaluation.metrics.base import MetricResult, PairMetric, Pairs, package_folder
from calvin.evaluation.metrics.ptb import Tokenizer, tokenize
from calvin.evaluation.metrics.spice import java_command, java_version

SEPARATOR = " ||| "
OLDEST_JAVA = 8


@dataclass(frozen=True)
class Meteor(PairMetric):
    """METEOR with exact, stem, synonym and paraphrase matches, English weights. `java` is the program to run."""

    java: str = "java"
    memory: str = "2g"
    tokenizer: Tokenizer = "ptb"

    @property
    def name(self) -> str:
        return "METEOR"

    @property
    def setting(self) -> str:
        return f"METEOR 1.5, English, normalised, {self.tokenizer} tokens"

    def score_pairs(self, pairs: Pairs) -> MetricResult:
        """`per_item` [N] is between 0 and 1; the corpus value is of the summed statistics, not the items' mean.

        Raises UsageError where Java or pycocoevalcap is missing, DataError where Java fails.
        """
        java_version(self.java, "METEOR", OLDEST_JAVA)
        asked = [
            SEPARATOR.join(["SCORE", *(self._text(one) for one in given), self._text(text)])
            for text, given in zip(pairs.candidates, pairs.references, strict=True)
        ]
        statistics = self._talk(asked, len(pairs))
        values = [float(line) for line in self._talk([SEPARATOR.join(["EVAL", *statistics])], len(pairs) + 1)]
        return MetricResult(self.name, values[-1], np.array(values[:-1]), pairs.ids, self.setting)

    def _text(self, text: str) -> str:
        return " ".join(tokenize(text, self.tokenizer)).replace("|||", "")

    def _talk(self, lines: Sequence[str], answers: int) -> list[str]:
        """What METEOR says to these lines, read from its standard input."""
        jar = _jar()
        command = [*java_command(self.java, self.memory), "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
        text = "\n".join(lines) + "\n"
        said = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", cwd=jar.parent, check=False)
        found = said.stdout.splitlines()
        if said.returncode != 0 or len(found) != answers:
            raise DataError(
                f"METEOR stopped with code {said.returncode} after {len(found)} of {answers} answers: "
                f"{said.stderr.strip()[-300:]}"
            )
        return found


def _jar() -> Path:
    package = package_folder("pycocoevalcap")
    if package and (path := package / "meteor" / "meteor-1.5.jar").is_file():
        return path
    raise MissingExtraError("METEOR", "metrics", "pycocoevalcap is not installed")
