"""Another package adds a captioner, a voice, a metric, a reader and a writer, and the commands use them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CODE = '''
import numpy as np

from calvin.captioners import CaptionAnswer, CaptionerInfo
from calvin.data.readers.registry import ReaderManifest
from calvin.data.samples import DropReport, ReadResult, Sample
from calvin.evaluation.metrics import MetricResult
from calvin.media.voice.voices import Voice
from calvin.studio.script.writers import Writer


class Parrot:
    """Says what it was given."""

    needs = frozenset()

    def __init__(self, words, options):
        self.words = words or "A parrot talks."
        self.info = CaptionerInfo("parrot", card=f"agrees: {options.agree is not None}")

    def caption(self, requests):
        return [CaptionAnswer(self.words, 0.0, (self.words,)) for _ in requests]


class Hum(Voice):
    name = "hum"

    def _speak(self, text, speed):
        time = np.arange(round(8000 * 0.2 * len(text.split()) / speed)) / 8000
        return np.sin(2 * np.pi * 200 * time).astype(np.float32), 8000


class Brevity:
    name, setting = "Brevity", "one over the number of words"

    def __init__(self, device):
        pass

    def score_pairs(self, pairs):
        values = np.array([1 / max(len(text.split()), 1) for text in pairs.candidates])
        return MetricResult(self.name, float(values.mean()), values, pairs.ids, self.setting)


def read_lines(path):
    lines = path.read_text().splitlines()
    samples = [Sample(str(n), "lines", f"film-{n}", "video", line) for n, line in enumerate(lines)]
    return ReadResult(samples, DropReport(read=len(lines)), {})


LINES = ReaderManifest("lines", "a caption on each line", read_lines, cleaning=("numbers",))


class Shout(Writer):
    name, suffix = "shout", ".shout"

    def render(self, script, provenance):
        return "".join(f"{cue.text.upper()}\\n" for cue in script.cues)
'''
ENTRIES = """
[calvin.captioners]
parrot = aviary:Parrot
[calvin.voices]
hum = aviary:Hum
tones = aviary:Hum
[calvin.metrics]
brevity = aviary:Brevity
[calvin.readers]
lines = aviary:LINES
[calvin.writers]
shout = aviary:Shout
absent = aviary:Absent
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The command with the package `aviary` beside it, as an installer would put it there."""
    site = tmp_path_factory.mktemp("site")
    (site / "aviary.py").write_text(CODE)
    info = site / "aviary-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: aviary\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200"}

    def command(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "calvin", *map(str, words)]
        done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False, timeout=300)
        assert done.returncode == code, done.stderr
        return done

    return command


@pytest.fixture(scope="module")
def project(run: Run, make_film: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    film = make_film(folder / "film.mp4", (5.0, 5.0))
    words = ["--model", "parrot:Parrots say 2 words.", "--no-text", "--format", "vtt,shout"]
    run("describe", film, *words, "-o", folder / "project")
    return folder / "project"


def test_a_captioner_and_a_writer_describe(project: Path, run: Run) -> None:
    assert set((project / "film.shout").read_text().splitlines()) == {"PARROTS SAY 2 WORDS."}
    run("export", project, "--format", "shout", "-o", project / "out")
    assert (project / "out" / "film.shout").read_bytes() == (project / "film.shout").read_bytes()


def test_a_voice_speaks_and_one_of_ours_keeps_its_name(project: Path, run: Run) -> None:
    assert "spoken by hum" in run("voice", project, "--voice", "hum").stdout
    ours = run("voice", project, "--voice", "tones")
    assert "spoken by tones" in ours.stdout
    assert "aviary 1.0 adds a voice 'tones', which there is already: the one of calvin is taken." in ours.stderr


def test_a_metric_scores(run: Run, tmp_path: Path) -> None:
    (tmp_path / "said.csv").write_text("id,caption\n1,a man runs\n2,she waves now or never\n")
    (tmp_path / "given.csv").write_text("id,caption\n1,a man walks\n2,she waves\n")
    out = run("score", tmp_path / "said.csv", tmp_path / "given.csv", "--metrics", "brevity,rouge").stdout
    assert "Brevity" in out
    assert "26.67" in out  # (1/3 + 1/5) / 2
    assert "one over the number of words" in out


def test_a_reader_reads_and_names_its_cleaning(run: Run, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("Waves at sunset, 4k\nA boat.\n")
    out = run("data", "check", tmp_path / "lines.txt", "--format", "lines").stdout
    assert "a caption on each line" in out
    assert "2 video samples of 2 files" in out
    assert "numbers scrubbed" in out


def test_help_lists_them_and_a_broken_one_is_one_sentence(project: Path, run: Run) -> None:
    text = " ".join(run("describe", "--help").stdout.replace("│", " ").split())
    assert "parrot of aviary 1.0" in text
    ours = "vtt, srt, dapt, csv, json, txt, html, transcript, transcript-txt, xlsx, docx, otio, edl, fcpxml, reaper"
    assert f"{ours}, audition, audacity, dapt-recorded, absent, shout" in text
    # What calvin itself knows comes first, what others add after it.
    assert re.search(r"cider-plain,[^.]* brevity\b", " ".join(run("score", "--help").stdout.replace("│", " ").split()))
    refused = run("export", project, "--format", "absent", code=2)
    assert refused.stderr.strip().startswith("Error: The format 'absent' of aviary 1.0 cannot be used (AttributeError")
    assert len(refused.stderr.strip().splitlines()) == 1
