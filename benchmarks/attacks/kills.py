"""Commands that take a while, killed at any moment and given again."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
from PIL import Image

from calvin.core.package import bundled_film
from calvin.data import FeatureStore
from calvin.studio.project.store import ProjectStore

SMALL = """
import calvin.training.recipes as recipes
from calvin.training.steps import LanguageStep
few = {"steps": 6, "warmup_steps": 1, "checkpoint_every": 2, "log_every": 1}
def short(step):
    return step.changed(loop=step.loop.changed(**few))
micro = recipes.MICRO
steps = [
    step.changed(phases=tuple(short(phase).changed(batch_size=4) for phase in step.phases))
    if isinstance(step, LanguageStep) else short(step)
    for step in micro.steps
]
sizes = dict(films=2, scenes=5, clips=6, images=20, conversations=6, heldout_films=1, tower_images=256)
recipes.RECIPES["micro"] = micro.changed(steps=tuple(steps), world=micro.world.changed(**sizes))
"""
"""Makes `calvin train micro` a matter of seconds."""
CALVIN = "from calvin.cli.main import main; main()"
LONG = {
    "describe": "describe {}/film.mkv -o {}/p --subtitles {}/film.srt",
    "adapt": "adapt {}/p -c {}/corrections.csv -o {}/adapted --iterations 6 --no-check",
    "voice": "voice {}/p --voice tones",
    "mix": "mix {}/p -o {}/mixed.mkv",
    "export": "export {}/p -f vtt,srt,json,csv,dapt,txt -o {}/out",
    "prepare": "data prepare {}/images -k images -o {}/vectors --part-size 4 --model calvin-mini",
    "render": "puppets render -o {}/world --films 2 --scenes 5 --clips 6 --images 20",
    "features": "data features {}/world/mad/videos -o {}/films.h5 --model calvin-mini",
    "evaluate": "evaluate calvin-mini -d {}/world/mad/mad.csv --format mad_csv "
    "--features {}/films.h5 -c 2 --own --metrics cider,rouge -o {}/evaluated",
    "train": "train micro -o {}/run --workers 1",
}
"""Commands that take a while, in the order in which each finds what it needs."""
FIRST = {"adapt": "pick {}/p -o {}/corrections.csv"}
"""What is given before a command, for what it needs."""
_taken: dict[str, float] = {}


def started(words: str, folder: Path) -> subprocess.Popen[bytes]:
    # Where they are given, the project keeps absolute paths.
    command = [sys.executable, "-c", (SMALL if words.startswith("train") else "") + CALVIN]
    return subprocess.Popen(
        [*command, *(word.format(folder) for word in words.split())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def done(words: str, folder: Path) -> None:
    child = started(words, folder)
    _, said = child.communicate()
    if child.returncode:
        raise RuntimeError(f"{words} ended with {child.returncode}: {said.decode()[-2000:]}")


def start_film(start: Path) -> None:
    """A film of 25 seconds with its subtitles, and a few images."""
    (start / "images").mkdir(parents=True)
    film, subtitles = bundled_film()
    with av.open(str(film)) as source, av.open(str(start / "film.mkv"), "w") as target:
        tracks = {
            stream.index: target.add_stream_from_template(stream) for stream in source.streams if stream.type != "data"
        }
        for packet in source.demux():
            if packet.dts is not None and packet.pts * packet.time_base < 25 and packet.stream.index in tracks:
                packet.stream = tracks[packet.stream.index]
                target.mux(packet)
    shutil.copy(subtitles, start / "film.srt")
    for number in range(24):
        pixels = np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(start / "images" / f"{number}.png")


def wholes(folder: Path) -> None:
    """For each command the folder before it and after it, and how long it takes; made once."""
    for old in folder.glob("before-*"):  # of a try that failed on the way
        shutil.rmtree(old)
    start_film(folder / "before-describe")
    for command, after in zip(LONG, [*list(LONG)[1:], "end"], strict=True):
        shutil.copytree(folder / f"before-{command}", folder / f"before-{after}")
        if command in FIRST:
            for place in (f"before-{command}", f"before-{after}"):
                done(FIRST[command], folder / place)
        began = time.monotonic()
        done(LONG[command], folder / f"before-{after}")
        _taken[command] = time.monotonic() - began


def found_in(folder: Path) -> dict[str, Any]:
    """What is in each file, without what differs from run to run: times, and the random numbers of Matroska."""
    found: dict[str, Any] = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in VARYING:
            content = HOLDS.get(path.suffix, Path.read_bytes)
            found[path.relative_to(folder).as_posix()] = content(path)
    return found


def _held(path: Path) -> Any:
    """What a project holds: its words, what they were made from and how, without when and where."""
    with ProjectStore(path.parent, read_only=True) as store:
        steps = [step.what for step in store.steps]
        return [store.script(), store.plans, store.decisions, store.dialogue, store.shots, store.described, steps]


def _vectors(path: Path) -> dict[str, bytes]:
    with FeatureStore.open(path) as store:
        return {media_id: store.get(media_id).tobytes() for media_id in store.ids}


def _tensors(path: Path) -> bytes:
    """All but the head, in which safetensors describes the tensors in random order."""
    data = path.read_bytes()
    return data[8 + int.from_bytes(data[:8], "little") :]


def _card(path: Path) -> str:
    """A card without how its run went, which differs with every stop."""
    return re.sub(r"(?m)^- Made by .*$", "", path.read_text(encoding="utf-8"))


VARYING = (
    "corrections.csv",
    "history.jsonl",
    "project.sqlite-wal",
    "project.sqlite-shm",
    "project.lock",
    "adapter.json",
)
HOLDS: dict[str, Callable[[Path], Any]] = {
    ".mkv": lambda path: path.stat().st_size,
    ".h5": _vectors,
    ".safetensors": _tensors,
    ".sqlite": _held,
    ".md": _card,
}
"""How files are compared, by their suffix; others byte by byte."""


def try_kill(number: int, folder: Path) -> tuple[str, str]:
    """Kills a command at any moment and gives it again: the end must be as if nothing had happened."""
    if not _taken:
        wholes(folder)
    rng = np.random.default_rng(number)
    command = list(LONG)[number % len(LONG)]
    after = [*list(LONG)[1:], "end"][number % len(LONG)]
    place = folder / f"before-{after}-again"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder / f"before-{command}", place)
    child = started(LONG[command], place)
    at = rng.uniform(0.1, 1.0) * _taken[command]
    about = f"{command}, killed after {at:.1f} s"
    try:
        child.communicate(timeout=at)
    except subprocess.TimeoutExpired:
        family = psutil.Process(child.pid).children(recursive=True)
        child.kill()
        child.communicate()
        _, alive = psutil.wait_procs(family, timeout=30)
        if alive:
            for one in alive:
                one.kill()
            return "left behind", f"{about}: {len(alive)} processes go on"
    done(LONG[command], place)
    whole, again = found_in(folder / f"before-{after}"), found_in(place)
    left = [name for name in again if ".calvin-" in name or name.endswith("-journal")]
    if left:
        return "left behind", f"{about}: {', '.join(left)}"
    other = sorted(name for name in whole.keys() | again.keys() if whole.get(name) != again.get(name))
    return ("other result", f"{about}: {', '.join(other)}") if other else ("equal", about)
