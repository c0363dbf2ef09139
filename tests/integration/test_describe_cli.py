"""`calvin describe` as people call it: several films, exit codes, and every bad input with its one sentence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import pysubs2
import pytest
from av.stream import Disposition
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner, Result

from calvin.cli.main import app
from calvin.core.package import bundled_cast, bundled_film
from calvin.core.time import Span
from calvin.studio.cast.characters import read_cast_file
from calvin.studio.project.status import spoken_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound.placing import place_voices
from review_page import cut


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, make_film: Callable[..., Path]) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4", (3.0, 3.0))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(result: Result, code: int = 1) -> str:
    """The one sentence of a refusal."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert result.exit_code == code, result.output
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.output
    assert not result.stdout
    return lines[0]


def test_a_film_is_described_where_one_stands(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "calvin", "describe", str(film), "--model", str(tiny_model), "--format", "srt,vtt"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{film}: 2 cues", "  film.calvin/film.srt", "  film.calvin/film.vtt"]
    assert "describe" in done.stderr
    assert {path.name for path in (tmp_path / "film.calvin").iterdir()} >= {"film.srt", "film.vtt", "project.sqlite"}


def test_several_films_one_of_them_bad(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("nothing")
    result = run("describe", film, bad, "--model", tiny_model, "-o", tmp_path / "out", "--context", 0)
    assert result.exit_code == 1
    assert "2 cues" in result.stdout
    assert "bad.mp4 is not a film" in result.stderr
    assert "1 of 2 films could not be described." in result.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["film.calvin"]


def no_video(path: Path) -> None:
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        for start in range(0, 16_000, 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def no_frames(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()


BAD_FILMS: dict[str, Callable[[Path], object]] = {
    "text.mp4": lambda path: path.write_text("This is a letter."),
    "empty.mkv": lambda path: path.write_bytes(b""),
    "noise.avi": lambda path: path.write_bytes(bytes(range(256)) * 40),
    "playlist.mp4": lambda path: path.write_text("#EXTM3U\n#EXTINF:9,\nhttp://example.org/a.ts\n"),
    "concat.mp4": lambda path: path.write_text("ffconcat version 1.0\nfile /etc/passwd\n"),
    "sound.mp4": no_video,
    "frameless.mp4": no_frames,
    "folder.mp4": lambda path: path.mkdir(),
    "absent.mp4": lambda path: None,
}


@pytest.mark.parametrize("name", BAD_FILMS)
def test_a_bad_film_is_refused_and_leaves_nothing(name: str, tiny_model: Path, tmp_path: Path) -> None:
    film = tmp_path / name
    BAD_FILMS[name](film)
    sentence = refused(run("describe", film, "--model", tiny_model, "-o", tmp_path / "out"))
    assert name in sentence
    assert sentence.endswith(".")
    assert not (tmp_path / "out").exists()


def test_a_film_cut_off_before_its_index_is_refused(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(film.read_bytes()[:3000])
    assert "cut.mp4" in refused(run("describe", cut, "--model", tiny_model, "-o", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text", ["", "no subtitles at all", "1\n00:00:05,000 --> 00:00:05,000\nNever.\n", "\0\1\2binary"]
)
def test_bad_subtitles_are_refused_and_leave_nothing(text: str, film: Path, tiny_model: Path, tmp_path: Path) -> None:
    srt = tmp_path / "bad.srt"
    srt.write_text(text)
    sentence = refused(run("describe", film, "--subtitles", srt, "--model", tiny_model, "-o", tmp_path / "out"))
    assert "bad.srt" in sentence
    assert not (tmp_path / "out").exists()


def test_untidy_subtitles_are_used_and_what_was_put_right_is_said(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    srt = tmp_path / "untidy.srt"
    srt.write_text(
        "1\n00:00:02,500 --> 00:00:03,500\nB\n\n2\n00:00:01,500 --> 00:00:03,000\nA\n\n"
        "3\n00:00:03,400 --> 00:00:02,900\nBackwards\n"
    )
    result = run("describe", film, "-s", srt, "--model", tiny_model, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "ran backwards" in result.stderr
    assert "overlapped" in result.stderr


def test_a_checkpoint_that_is_not_whole_is_refused(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    weights = load_file(model / "model.safetensors")
    name = sorted(weights)[3]
    short = {key: value for key, value in weights.items() if key != name}
    save_file(short, model / "model.safetensors", metadata={"format": "pt"})
    assert name in refused(run("describe", film, "--model", model, "-o", tmp_path / "out"))
    save_file({**weights, name: weights[name][:1].copy()}, model / "model.safetensors", metadata={"format": "pt"})
    assert "has shape" in refused(run("describe", film, "--model", model, "-o", tmp_path / "out"))
    (model / "model.safetensors").write_bytes(b"junk")
    refused(run("describe", film, "--model", model, "-o", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_features_of_another_encoder_are_not_used(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    """Another model on the same project makes its own features beside the first's."""
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    weights = load_file(model / "model.safetensors")
    name = next(key for key in weights if key.startswith("vision_tower") and "projection.weight" in key)
    save_file({**weights, name: weights[name] * -1}, model / "model.safetensors", metadata={"format": "pt"})
    config = (model / "config.json").read_text()
    old_hash = config.partition('"encoder_hash": "')[2].partition('"')[0]
    (model / "config.json").write_text(config.replace(old_hash, "f" * 64))
    out = tmp_path / "out"
    assert run("describe", film, "--model", tiny_model, "-o", out).exit_code == 0
    assert run("describe", film, "--model", model, "-o", out).exit_code == 0
    assert sorted(path.name for path in out.glob("features-*")) == sorted(
        [f"features-{old_hash[:12]}.safetensors", f"features-{'f' * 12}.safetensors"]
    )
    shutil.copy(out / f"features-{old_hash[:12]}.safetensors", out / f"features-{'f' * 12}.safetensors")
    result = run("describe", film, "--model", model, "-o", out)
    assert result.exit_code == 0
    assert "decode" in result.stderr, "another encoder's features were used"


def test_requests_that_cannot_be_carried_out(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "out")
    assert "There is no format 'pdf'" in refused(run("describe", film, "--format", "pdf", *out), code=2)
    assert "context" in refused(run("describe", film, "--context", "-2", *out), code=2)
    assert "2 subtitle files for 1 films" in refused(run("describe", film, "-s", "a", "-s", "b", *out), code=2)
    assert "There is no model folder" in refused(run("describe", film, "--model", tmp_path / "none", *out))
    assert run("describe", film, "--context", "many", *out).exit_code == 2
    assert run("describe").exit_code == 2
    assert not (tmp_path / "out").exists()
    (tmp_path / "taken").write_text("x")
    assert "is a file" in refused(run("describe", film, "--model", tiny_model, "-o", tmp_path / "taken"))
    assert (tmp_path / "taken").read_text() == "x"


def test_the_demo_prints_the_script_with_times_and_leaves_the_files(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the beginning of its film, up to the last still that its cast is known from."""
    portraits = read_cast_file(bundled_cast()).portraits.values()
    latest_ms = max(one.at_ms for many in portraits for one in many)
    beginning = cut(bundled_film()[0], tmp_path / "puppets.mp4", latest_ms // 1000 + 3)
    monkeypatch.setattr("calvin.cli.demo.bundled_film", lambda: (beginning, bundled_film()[1]))
    result = run("demo", "--model", tiny_model, "-o", tmp_path / "demo")
    assert result.exit_code == 0, result.stderr
    named, unnamed = result.stdout.split("Without a cast:")
    assert unnamed.splitlines()[-1].startswith(f"Next: calvin studio {tmp_path / 'demo'}, to hear"), "how to go on"
    cues = [line for line in named.splitlines() if re.match(r"\d\d:\d\d:\d\d\.\d{3} - \d\d:", line)]
    assert cues  # how many depends on what random weights repeat
    for suffix in ("vtt", "srt", "json"):
        path = tmp_path / "demo" / f"puppets.{suffix}"
        assert path.is_file()
        assert str(path) in unnamed
    subtitles = pysubs2.load(str(bundled_film()[1]))
    described = pysubs2.load(str(tmp_path / "demo" / "puppets.vtt"))
    assert len(described) == len(cues)
    for cue in described:
        assert not any(cue.start < line.end and line.start < cue.end for line in subtitles), "described over dialogue"
    plays_as_described(tmp_path / "demo", [Span(line.start, line.end) for line in subtitles])


def plays_as_described(project: Path, dialogue: list[Span]) -> None:
    """The film as players see it, what is spoken when, and lint."""
    with av.open(str(project / "puppets.ad.mkv")) as film:
        assert [stream.type for stream in film.streams] == ["video", "audio", "audio"]
        original, description = film.streams.audio
        assert original.disposition & Disposition.default
        assert original.disposition & Disposition.original
        assert description.disposition & Disposition.visual_impaired
        assert not description.disposition & Disposition.default
        assert description.language == "eng"
        assert description.metadata["title"] == "English - Audio Description"
    with ProjectStore(project, read_only=True) as store:
        spoken, missing = spoken_cues(store)
        assert not missing
        placed = place_voices(spoken, dialogue, store.film.duration_ms, extended=False)
    assert placed.voices
    assert not placed.late
    for one in placed.voices:
        said = Span(one.start_ms, one.end_ms)
        assert not any(said.overlap_ms(line) for line in dialogue), f"cue {one.cue_id} is spoken over dialogue"
    checked = run("lint", project)
    assert checked.exit_code == 0, checked.stdout


LOADED = """
import ast, sys
from pathlib import Path
from calvin import describe
describe(sys.argv[1], model=sys.argv[2], out_dir=sys.argv[3], cast=sys.argv[4])
for name, module in sorted(sys.modules.items()):
    if name.split(".")[0] == "calvin":
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        above = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        above |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        print(name, "accelerate" if any(one.split(".")[0] == "accelerate" for one in above) else "")
"""


def test_describing_loads_nothing_of_training(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    """transformers brings accelerate along where it is installed, but no module that describing needs asks for it."""
    (tmp_path / "cast.toml").write_text('[[character]]\nname = "Ann"\n')
    arguments = [str(film), str(tiny_model), str(tmp_path / "p"), str(tmp_path / "cast.toml")]
    result = subprocess.run([sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=True)
    loaded = [line.split() for line in result.stdout.splitlines()]
    packages = {name.split(".")[1] for name, *_ in loaded if "." in name}
    assert {"studio", "captioners", "model"} <= packages
    assert not packages & {"training", "lab", "puppets", "cli"}
    assert [name for name, *imported in loaded if imported] == []
