"""SPICE (Anderson and others, "SPICE: Semantic Propositional Image Caption Evaluation", 2016).

The authors' Java program parses captions to scene graphs and compares them. This runs its parser and scorer on Java
11 or later and keeps the parse of every sentence (parsing is nearly all of the time), in an SQLite file of our own
beside the archives. `SpiceRunner.java` is compiled by Java itself when it runs, so a JDK is needed, not only a JRE.

The archives come from two places: the package pycocoevalcap (SPICE itself and its libraries) and Stanford CoreNLP
3.6.0 with its models (GPL v3; `stanford-corenlp-full-2015-12-09.zip`, or Maven's
`edu.stanford.nlp:stanford-corenlp:3.6.0` and its classifier `models`). Only files with the known checksums are
taken, because another parser is another score.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from calvin.core.errors import DataError, UsageError
from calvin.core.files import atomic_path, file_sha256
from calvin.core.progress import Listener, Stage, silent
from calvin.core.text_tables import counted
from calvin.evaluation.metrics.base import MetricResult, PairMetric, Pairs, package_folder
from calvin.evaluation.metrics.ptb import Tokenizer, tokenize

CORENLP = "stanford-corenlp-3.6.0.jar"
MODELS = "stanford-corenlp-3.6.0-models.jar"
CHECKSUMS = {
    "spice-1.0.jar": "6c6a73ae6dd108667047c1818707590413934dcb9f1a62cef6469059b41b3d59",
    "Meteor-1.5.jar": "014a3627d277a6f4ba5b44a20733f8dff28bbb428204c36abfda56565658ba09",
    "SceneGraphParser-1.0.jar": "83a1b7c3f896dd135f9539ba41d65b155827dfc312893bfd5bb835c9f9ae310a",
    "ejml-0.23.jar": "12d44e81fdd661ad2aac6384511facf3d8fa003c3ce8d9cec5f22827d1819a26",
    "guava-19.0.jar": "58d4cc2e05ebb012bbac568b032f75623be1cb6fb096f3c60c72a86f7f057de4",
    "json-simple-1.1.1.jar": "4e69696892b88b41c55d49ab2fdcc21eead92bf54acc588c0050596c3b75199c",
    "slf4j-api-1.7.12.jar": "0aee9a77a4940d72932b0d0d9557793f872e66a03f598e473f45e7efecdccf99",
    "slf4j-simple-1.7.21.jar": "a20179cc3ded2d7e2f5def4ccb34b2d0836e2f8c9e79352a6babd6a6559cc8e0",
    CORENLP: "d341d5863276f55782c5ef73212222d6b3b48e02ae1951ab6de7618d28b12742",
}
MODELS_INSIDE = "edu/stanford/nlp/models/"
MODELS_USED = (  # what SPICE loads; the archive may hold more
    "dcoref/animate.unigrams.txt",
    "dcoref/countries",
    "dcoref/demonyms.txt",
    "dcoref/gender.map.ser.gz",
    "dcoref/inanimate.unigrams.txt",
    "dcoref/state-abbreviations.txt",
    "dcoref/statesandprovinces",
    "lexparser/englishPCFG.ser.gz",
    "ner/english.all.3class.distsim.crf.ser.gz",
    "ner/english.conll.4class.distsim.crf.ser.gz",
    "ner/english.muc.7class.distsim.crf.ser.gz",
    "sutime/defs.sutime.txt",
    "sutime/english.holidays.sutime.txt",
    "sutime/english.sutime.txt",
    "sutime/jollyday/Holidays_sutime.xml",
)
MODELS_CHECKSUM = "b6037733f166a8e146a3087317f4b8d5f8d52c397ecd6ffc4d304b0466533b1d"
NAMES = (*CHECKSUMS, MODELS)


class _WrongVersion(Exception):
    """A file that has the right name and the wrong contents, and is not to be kept."""


def spice_home() -> Path:
    """Where the archives and parses are kept: $CALVIN_SPICE, else the user's cache folder."""
    if "CALVIN_SPICE" in os.environ:
        return Path(os.environ["CALVIN_SPICE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "calvin" / "spice"


def installed_jars(home: Path) -> list[Path]:
    """The archives in class path order; raises UsageError where some are missing."""
    missing = [name for name in NAMES if not (home / name).is_file()]
    if missing:
        raise UsageError(
            f"SPICE is not installed in {home}: {len(missing)} of {len(NAMES)} Java archives are missing "
            f"({', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}). "
            "Run `calvin metrics install-spice` with Stanford CoreNLP 3.6.0 (a folder, zip or jars)."
        )
    return [home / name for name in NAMES]


def install_spice(sources: Sequence[Path], home: Path | None = None) -> list[Path]:
    """Copy the archives from folders, zips (wheels too) or jars into `home`, and return their paths.

    An installed pycocoevalcap is looked at as well. Raises DataError where a file has the wrong checksum and UsageError
    where one is nowhere to be found; what was found is kept.
    """
    home = home or spice_home()
    absent = [source for source in sources if not source.exists()]
    if absent:
        raise UsageError(f"{absent[0]} does not exist: give the folder, zip or jars that hold Stanford CoreNLP 3.6.0.")
    package = package_folder("pycocoevalcap")
    packaged = [package / "spice"] if package else []
    wrong: list[str] = []
    for name, path, member in _candidates([*sources, *packaged]):
        if (home / name).is_file():
            continue
        with suppress(_WrongVersion), atomic_path(home / name) as temporary:
            _copy(path, member, temporary)
            if not _is_right(name, temporary):
                wrong.append(member or str(path))
                raise _WrongVersion
    if wrong and any(not (home / name).is_file() for name in NAMES):
        raise DataError(
            f"{counted(len(wrong), 'file')} of the right name but another version ({wrong[0]}): "
            "SPICE needs Stanford CoreNLP 3.6.0 and the archives of pycocoevalcap 1.2."
        )
    return installed_jars(home)


def fingerprint() -> str:
    """A short name for this set of archives: parses made with them are kept under it."""
    return hashlib.sha256("".join([*CHECKSUMS.values(), MODELS_CHECKSUM]).encode()).hexdigest()[:12]


def _candidates(sources: Sequence[Path]) -> Iterator[tuple[str, Path, str | None]]:
    """(wanted name, file, member of the zip) for everything that may be one of the archives."""
    for source in sources:
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            name = _wanted(path.name)
            if name:
                yield name, path, None
            elif path.is_file() and path.suffix in {".zip", ".whl"} and zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    members = [(name, member) for member in archive.namelist() if (name := _wanted(Path(member).name))]
                for name, member in members:
                    yield name, path, member


def _wanted(file_name: str) -> str | None:
    if file_name in CHECKSUMS:
        return file_name
    return MODELS if file_name.startswith(MODELS.removesuffix(".jar")) and file_name.endswith(".jar") else None


def _copy(path: Path, member: str | None, target: Path) -> None:
    if member is None:
        shutil.copyfile(path, target)
        return
    with zipfile.ZipFile(path) as archive, archive.open(member) as packed, open(target, "wb") as output:
        shutil.copyfileobj(packed, output)


def _is_right(name: str, path: Path) -> bool:
    if name != MODELS:
        return file_sha256(path) == CHECKSUMS[name]
    return zipfile.is_zipfile(path) and models_checksum(path) == MODELS_CHECKSUM


def models_checksum(path: Path) -> str:
    """One checksum over the model files that SPICE loads, wherever the archive came from; empty if any is missing."""
    total = hashlib.sha256()
    with zipfile.ZipFile(path) as archive:
        for name in MODELS_USED:
            try:
                with archive.open(MODELS_INSIDE + name) as packed:
                    total.update(hashlib.file_digest(packed, "sha256").digest())  # type: ignore[arg-type]
            except KeyError:
                return ""
    return total.hexdigest()


RUNNER = Path(__file__).with_name("SpiceRunner.java")
OLDEST_JAVA = 11
ERROR_LINES = 5
_ENGLISH = {"language": "en", "country": "US", "region": "US"}
_LOOK_EVERY_S = 1.0

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
    listener: Listener = field(default=silent, compare=False)

    @property
    def name(self) -> str:
        return "SPICE"

    @property
    def setting(self) -> str:
        return f"SPICE 1.0 F1, CoreNLP 3.6.0, synonyms on, {self.tokenizer} tokens"

    def watched_by(self, listener: Listener) -> Spice:
        return replace(self, listener=listener)

    def check_installed(self) -> None:
        installed_jars(self.home)
        check_java(self.java)

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
            held = store.find(sentences)
            asked.write_text(json.dumps(items))
            known.write_text(json.dumps(held))
            command = [*java_command(self.java, self.memory), "-cp", os.pathsep.join(map(str, jars)), str(RUNNER)]
            command += [str(asked), str(known), str(added), str(scores), str(self.threads or os.cpu_count() or 1)]
            stage = Stage("parse", self.listener, len(sentences), "sentences", kept=len(held))
            code, said = _run_java(command, added, store, stage)
            if code != 0 or not scores.is_file():
                last = "\n".join(said.strip().splitlines()[-ERROR_LINES:])
                raise DataError(
                    f"SPICE stopped with code {code}; the parses made so far are kept, run it again "
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
        # One parameter for them all: SQLite limits how many a statement may have.
        query = "SELECT sentence, tuples FROM parses WHERE sentence IN (SELECT value FROM json_each(?))"
        rows = self._database.execute(query, [json.dumps(sorted(sentences))])
        return {sentence: json.loads(tuples) for sentence, tuples in rows}

    def add(self, parses: Iterable[tuple[str, Parse]]) -> None:
        with self._database:
            rows = ((sentence, json.dumps(tuples)) for sentence, tuples in parses)
            self._database.executemany("INSERT OR REPLACE INTO parses VALUES (?, ?)", rows)


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
        raise UsageError(f"{need}, and {java!r} does not say which version it is.")
    version = int(found[2]) if found[1] == "1" and found[2] else int(found[1])
    if version < oldest:
        raise UsageError(f"{need}, and {java!r} is version {version}.")
    return version


def _need(metric: str, oldest: int) -> str:
    return f"{metric} needs a JDK, version {oldest} or later (for example `apt install default-jdk-headless`)"


def java_command(java: str, memory: str) -> list[str]:
    """Java with numbers as in English, whatever the machine's language: METEOR reads no decimal comma."""
    english = [f"-Duser.{name}{use}={value}" for use in ("", ".format") for name, value in _ENGLISH.items()]
    return [java, f"-Xmx{memory}", "-Dfile.encoding=UTF-8", *english]


def _run_java(command: list[str], added: Path, store: ParseStore, stage: Stage) -> tuple[int, str]:
    """The exit code, and what Java said on stderr.

    What it has parsed is in the store about a second later, so that a run that was stopped, in whatever way, is taken
    up where it was. Java itself ends with this process, because its standard input does.
    """
    done, place = stage.kept, 0
    quiet = subprocess.DEVNULL
    with (
        tempfile.TemporaryFile("w+", errors="replace") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=errors) as process,
    ):
        try:
            while process.returncode is None:
                stage.update(done)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_EVERY_S)
                parses, place = _read_parses(added, place)
                store.add(parses)
                done += len(parses)
        finally:
            process.kill()
            process.wait()
            store.add(_read_parses(added, place)[0])
        errors.seek(0)
        return process.returncode, errors.read()


def _read_parses(path: Path, place: int) -> tuple[list[tuple[str, Parse]], int]:
    """The parses that Java wrote from a place in the file on, up to the last whole line, and where that ends."""
    if not path.is_file():
        return [], place
    with open(path, "rb") as stream:
        stream.seek(place)
        whole = stream.read().rpartition(b"\n")
    rows = [(sentence, tuples) for sentence, tuples in (json.loads(line) for line in whole[0].split(b"\n") if line)]
    return rows, place + len(whole[0]) + len(whole[1])
