"""SPICE (Anderson and others, "SPICE: Semantic Propositional Image Caption Evaluation", 2016).

The authors' Java program parses captions to scene graphs and compares them. This runs its parser and scorer on Java
11 or later and keeps the parse of every sentence (parsing is nearly all of the time), in an SQLite file of our own
beside the archives. `SpiceRunner.java` is compiled by Java itself when it runs, so a JDK is needed, not only a JRE.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from calvin.core.errors import DataError, UsageError
from calvin.evaluation.metrics.base import MetricResult, PairMetric, Pairs
from calvin.evaluation.metrics.spice_jars import fingerprint, installed_jars, spice_home
from calvin.evaluation.metrics.tokens import Tokenizer, tokenize

RUNNER = Path(__file__).with_name("SpiceRunner.java")
OLDEST_JAVA = 11
ASKED_AT_ONCE = 500
ERROR_LINES = 5

Parse = list[list[str]]


@dataclass(frozen=True)
class Spice(PairMetric):
    """SPICE F1 over scene graphs, the mean of the items.

    `home` holds the archives (see `install_spice`) and the parses; `memory` is the Java heap ("6g").
    """

    home: Path = field(default_factory=spice_home)
    java: str = "java"
    memory: str = "6g"
    threads: int = 0
    tokenizer: Tokenizer = "ptb"

    @property
    def name(self) -> str:
        return "SPICE"

    @property
    def setting(self) -> str:
        return f"SPICE 1.0 F1, CoreNLP 3.6.0, synonyms on, {self.tokenizer} tokens"

    def score_pairs(self, pairs: Pairs) -> MetricResult:
        """`per_item` [N] is between 0 and 1. Raises UsageError where Java or the archives are missing."""
        jars = installed_jars(self.home)
        check_java(self.java)
        texts = [
            (self._sentence(text), [kept for one in given if (kept := self._sentence(one))])
            for text, given in zip(pairs.candidates, pairs.references, strict=True)
        ]
        scored = [index for index, (text, given) in enumerate(texts) if text and given]
        per_item = np.zeros(len(pairs))
        if scored:
            per_item[scored] = self._run([texts[index] for index in scored], jars)
        return MetricResult(self.name, float(np.mean(per_item)), per_item, pairs.ids, self.setting)

    def _sentence(self, text: str) -> str:
        return " ".join(tokenize(text, self.tokenizer))

    def _run(self, items: list[tuple[str, list[str]]], jars: list[Path]) -> list[float]:
        sentences = {sentence for text, given in items for sentence in (text, *given)}
        with ParseStore(self.home) as store, tempfile.TemporaryDirectory(prefix="calvin-spice-") as folder:
            names = ("items.json", "known.json", "added.jsonl", "scores.json")
            asked, known, added, scores = (Path(folder) / name for name in names)
            asked.write_text(json.dumps(items))
            known.write_text(json.dumps(store.find(sentences)))
            command = [self.java, f"-Xmx{self.memory}", "-cp", os.pathsep.join(map(str, jars)), str(RUNNER)]
            command += [str(asked), str(known), str(added), str(scores), str(self.threads or os.cpu_count() or 1)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
            finally:
                store.add(_read_parses(added))
            if done.returncode != 0 or not scores.is_file():
                last = "\n".join(done.stderr.strip().splitlines()[-ERROR_LINES:])
                raise DataError(
                    f"SPICE stopped with code {done.returncode}; the parses made so far are kept, run it again "
                    f"(with more memory than {self.memory}, if that was short). Java said:\n{last}"
                )
            return [float(entry["scores"]["All"]["f"]) for entry in json.loads(scores.read_text())]


class ParseStore:
    """Parses by sentence, in one file for one set of archives."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(home / f"parses-{fingerprint()}.sqlite", timeout=60)
        with self._database:
            self._database.execute("CREATE TABLE IF NOT EXISTS parses (sentence TEXT PRIMARY KEY, tuples TEXT)")

    def __enter__(self) -> ParseStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def find(self, sentences: Iterable[str]) -> dict[str, Parse]:
        """The parses of those sentences that are known."""
        wanted = sorted(sentences)
        found: dict[str, Parse] = {}
        with closing(self._database.cursor()) as cursor:
            for start in range(0, len(wanted), ASKED_AT_ONCE):
                part = wanted[start : start + ASKED_AT_ONCE]
                marks = ",".join("?" * len(part))
                cursor.execute(f"SELECT sentence, tuples FROM parses WHERE sentence IN ({marks})", part)
                found.update((sentence, json.loads(tuples)) for sentence, tuples in cursor)
        return found

    def add(self, parses: Iterable[tuple[str, Parse]]) -> None:
        with self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO parses VALUES (?, ?)",
                [(sentence, json.dumps(tuples)) for sentence, tuples in parses],
            )


def check_java(java: str = "java") -> int:
    """The major version of Java; raises UsageError where there is none, an old one, or one without a compiler."""
    version = java_version(java, "SPICE", OLDEST_JAVA)
    modules = subprocess.run([java, "--list-modules"], capture_output=True, text=True, check=False).stdout
    if "jdk.compiler" not in modules:
        raise UsageError(f"{_need('SPICE', OLDEST_JAVA)}, and {java!r} is a runtime without the compiler.")
    return version


def java_version(java: str, metric: str, oldest: int) -> int:
    """The major version of a Java program; raises UsageError where there is none or one before `oldest`."""
    need = _need(metric, oldest)
    if shutil.which(java) is None:
        raise UsageError(f"{need}, and there is no {java!r} here.")
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)(?:\.(\d+))?', answer.stderr + answer.stdout)
    if answer.returncode != 0 or found is None:
        raise UsageError(f"{need}, and {java!r} does not tell its version.")
    version = int(found[2]) if found[1] == "1" and found[2] else int(found[1])
    if version < oldest:
        raise UsageError(f"{need}, and {java!r} is version {version}.")
    return version


def _need(metric: str, oldest: int) -> str:
    return f"{metric} needs a JDK, version {oldest} or later (for example `apt install default-jdk-headless`)"


def _read_parses(path: Path) -> list[tuple[str, Parse]]:
    """The parses that Java wrote, up to the last whole line."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    rows: list[Any] = [json.loads(line) for line in lines if line]
    return [(sentence, tuples) for sentence, tuples in rows]
