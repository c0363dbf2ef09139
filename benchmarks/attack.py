"""Damaged inputs by the thousand: what calvin makes of them, counted.

    python benchmarks/attack.py films --count 1000
    python benchmarks/attack.py texts --count 1000
    python benchmarks/attack.py kills --count 100

Each part damages whole inputs in ways that its seed repeats and gives one outcome per try. A try that ends in a
traceback, takes a process down, hangs, loses something without a word or leaves something behind is a fault, and is
printed so that it can be made again (`--only N`). The exit code is 1 where there was one.
"""

from __future__ import annotations

import argparse
import json
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
from PIL import Image

from calvin.core.errors import CalvinError
from calvin.core.package import bundled_film
from calvin.media.film.decode import decode_film
from calvin.media.subtitles import read_subtitles
from calvin.media.timed_text import read_text
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import plan_import

HANG_S = 60
SLOW = {"kills": 900}
"""Parts whose tries may take longer, in seconds."""
FAULTS = ("traceback", "died", "hung", "silent loss", "other result", "left behind")
PARTS: dict[str, Callable[[int, Path], tuple[str, str]]] = {}
"""By name, what tries number N in a folder of its own: gives the outcome and a line about it."""


def damaged(data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """Bytes damaged in one to three ways, and which."""
    ways = [str(way) for way in rng.choice(list(DAMAGE), int(rng.integers(1, 4)))]
    for way in ways:
        data = bytes(DAMAGE[way](bytearray(data), rng)) or b"\0"
    return data, "+".join(ways)


def _flipped(data: bytearray, rng: np.random.Generator) -> bytearray:
    for at in rng.integers(0, len(data), int(2 ** rng.uniform(0, 7))):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def _number(data: bytearray, rng: np.random.Generator) -> bytearray:
    """A length, count or time: four bytes that are none, all, or anything."""
    # Tables stand at the beginning or the end of a film more often than within it.
    span = len(data) if rng.random() < 0.4 else min(len(data), 2000)
    at = int(rng.integers(span)) if rng.random() < 0.5 else max(0, len(data) - 1 - int(rng.integers(span)))
    values = [0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, int(rng.integers(1 << 32)), int(rng.integers(1 << 16))]
    data[at : at + 4] = int(rng.choice(values)).to_bytes(4, "big" if rng.random() < 0.7 else "little")
    return data


def _piece(data: bytearray, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(len(data)))
    return start, min(len(data), start + 1 + int(2 ** rng.uniform(0, np.log2(len(data) + 1))))


def _cut_out(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = _piece(data, rng)
    return data[:start] + data[end:]


def _doubled(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = _piece(data, rng)
    return data[:end] + data[start:]


def _emptied(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = _piece(data, rng)
    data[start:end] = bytes(end - start)
    return data


DAMAGE: dict[str, Callable[[bytearray, np.random.Generator], bytearray]] = {
    "flipped": _flipped,
    "number": _number,
    "cut short": lambda data, rng: data[: int(rng.integers(1, len(data) + 1))],
    "cut out": _cut_out,
    "doubled": _doubled,
    "emptied": _emptied,
}

CODECS = {
    "a.mp4": ("libx264", "aac"),
    "b.mov": ("libx264", "pcm_s16le"),
    "c.mkv": ("libx264", "libopus"),
    "d.ts": ("libx264", "aac"),
    "e.avi": ("mpeg4", "libmp3lame"),
    "f.webm": ("libvpx", "libopus"),
    "g.mkv": ("ffv1", "flac"),
    "h.ts": ("mpeg2video", "mp2"),
    "i.mp4": ("libx265", "aac"),
    "j.mp4": ("mpeg4", None),
}
SECONDS = 3


def whole_film(path: Path) -> None:
    """A film of three seconds, one picture a frame and a tone."""
    video, audio = CODECS[path.name]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(video, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.options = {"x265-params": "log-level=none"} if video == "libx265" else {}
        track = container.add_stream(audio, rate=48_000) if audio else None
        rng = np.random.default_rng(0)
        ground = rng.integers(0, 255, (64, 96, 3), np.uint8)
        for index in range(SECONDS * 25):
            frame = av.VideoFrame.from_ndarray(np.roll(ground, index, 1), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            clock = np.arange(SECONDS * 48_000)
            tone = (9000 * np.sin(clock / 17)).astype(np.int16)
            for start in range(0, len(tone), 960):
                block = av.AudioFrame.from_ndarray(tone[None, start : start + 960], format="s16", layout="mono")
                block.sample_rate, block.pts, block.time_base = 48_000, start, Fraction(1, 48_000)
                container.mux(track.encode(block))
            container.mux(track.encode(None))


def try_film(number: int, folder: Path) -> tuple[str, str]:
    """Decodes a damaged film as `describe` does.

    A film that comes back shorter than it was by more than half a second, or without its sound, must have said so.
    """
    rng = np.random.default_rng(number)
    name = list(CODECS)[number % len(CODECS)]
    whole = folder / name
    if not whole.is_file():
        whole_film(whole)
    data, ways = damaged(whole.read_bytes(), rng)
    film = folder / f"damaged{whole.suffix}"
    film.write_bytes(data)
    about = f"{name}, {ways}"
    try:
        decoded = decode_film(film, folder / "out")
    except CalvinError as error:
        return "refused", f"{about}: {error}"
    if decoded.report.notes:
        return "decoded, with a warning", about
    lost = []
    # Nothing in a transport stream says how long it was.
    if decoded.duration_ms < SECONDS * 1000 - 500 and not ("cut" in ways and whole.suffix == ".ts"):
        lost.append(f"{decoded.duration_ms} ms of picture")
    if CODECS[name][1] and decoded.sound is None:
        lost.append("no sound")
    return ("silent loss", f"{about}: {', '.join(lost)}") if lost else ("decoded", about)


PARTS["films"] = try_film

SAID = [f"Line {number}: où est-il, Zoë?" for number in range(1, 21)]


def _stamp(seconds: int, mark: str) -> str:
    return f"00:{seconds // 60:02d}:{seconds % 60:02d}{mark}250"


def whole_texts() -> dict[str, str]:
    """Twenty lines in each format, subtitles and scripts alike."""
    times = [(3 * number, 3 * number + 2) for number in range(len(SAID))]
    cues = list(zip(times, SAID, strict=True))
    blocks = [f"{_stamp(a, '.')} --> {_stamp(b, '.')}\n{said}\n" for (a, b), said in cues]
    rows = [f'{_stamp(a, ".")},{_stamp(b, ".")},"{said}"' for (a, b), said in cues]
    shown = [f'<p begin="{_stamp(a, ".")}" end="{_stamp(b, ".")}">{said}</p>' for (a, b), said in cues]
    events = [
        f"Dialogue: 0,0:{_stamp(a, '.')[3:-1]},0:{_stamp(b, '.')[3:-1]},D,,0,0,0,,{said}" for (a, b), said in cues
    ]
    return {
        "a.srt": "\n".join(f"{n}\n{block.replace('.', ',', 2)}" for n, block in enumerate(blocks, 1)),
        "b.vtt": "WEBVTT\n\n" + "\n".join(blocks),
        "c.ttml": f'<tt xmlns="http://www.w3.org/ns/ttml"><body><div>{"".join(shown)}</div></body></tt>',
        "d.ass": "[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, "
        "MarginR, MarginV, Effect, Text\n" + "\n".join(events) + "\n",
        "e.csv": "start,end,text\n" + "\n".join(rows) + "\n",
        "f.json": json.dumps(
            {"cues": [{"start_ms": a * 1000, "end_ms": b * 1000, "text": said} for (a, b), said in cues]}
        ),
    }


ODD = [*'<>&",;:\t\r9-\u202e\u200d', "-->", "{\\an8}", "\x1b[31m", "<v ", "]]>", "\n\n"]
"""What is put in at random places."""


def reworded(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """A text as editors, tools and slips of the hand leave it, damaged in one to three ways, and which."""
    ways = [
        str(way) for way in rng.choice(["odd", "gone", "twice", "moved", "glued", "spaced", "cut"], rng.integers(1, 4))
    ]
    for way in ways:
        lines = text.split("\n")
        at, to = (int(number) for number in rng.integers(len(lines), size=2))
        if way == "odd":
            for _ in range(int(2 ** rng.uniform(0, 5))):
                place = int(rng.integers(len(text) + 1))
                text = text[:place] + str(rng.choice(ODD)) + text[place + int(rng.integers(3)) :]
            continue
        if way == "cut":
            lines = [*lines[:at], lines[at][: int(rng.integers(len(lines[at]) + 1))]]
        elif way == "spaced":
            lines[at:at] = ["", " "]
        else:
            line = lines.pop(at)
            lines[to:to] = {
                "gone": [],
                "twice": [line, line],
                "moved": [line],
                "glued": [line + (lines[to : to + 1] or [""])[0]],
            }[way]
        text = "\n".join(lines)
    return text, "+".join(ways)


def try_text(number: int, folder: Path) -> tuple[str, str]:
    """Reads damaged subtitles, or plans the import of a damaged script.

    Whatever still looks like the times of a subtitle must come back as a line, or be counted and named.
    """
    rng = np.random.default_rng(number)
    texts = whole_texts()
    name = list(texts)[number % len(texts)]
    encoding = str(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    text, ways = reworded(texts[name], rng)
    data = text.encode(encoding, "replace") or b"\n"
    if rng.random() < 0.2:
        data, more = damaged(data, rng)
        ways += f"+{more}"
    path = folder / name
    path.write_bytes(data)
    about = f"{name}, {encoding}, {ways}"
    as_script = name in ("e.csv", "f.json") or rng.random() < 0.3
    try:
        if as_script:
            with ProjectStore(folder / "project", create=True) as store:
                store.bind_film(FilmRow("film", "film.mp4", "0", 120_000, {}))
                plan = plan_import(store, path)
            return ("read, with a warning" if plan.notes else "read"), about
        report = read_subtitles(path).report
    except CalvinError as error:
        return "refused", f"{about}: {error}"
    if report.notes:
        return "read, with a warning", about
    arrows = read_text(path).text.count("-->") if name in ("a.srt", "b.vtt") else 0
    if arrows > report.cues:
        return "silent loss", f"{about}: {arrows} times, {report.cues} cues"
    return "read", about


PARTS["texts"] = try_text

CALVIN = [sys.executable, "-c", "from calvin.cli.main import main; main()"]
LONG = {
    "describe": "describe {}/film.mkv -o {}/p --subtitles {}/film.srt",
    "voice": "voice {}/p --voice tones",
    "mix": "mix {}/p -o {}/mixed.mkv",
    "export": "export {}/p -f vtt,srt,json,csv,dapt,txt -o {}/out",
    "prepare": "data prepare {}/images -k images -o {}/vectors --part-size 4 --model calvin-mini",
    "render": "puppets render -o {}/world --films 2 --scenes 5 --clips 6 --images 20",
}
"""Commands that take a while, in the order in which each finds what it needs."""
_taken: dict[str, float] = {}


def _started(command: str, folder: Path) -> subprocess.Popen[bytes]:
    words = [word.format(folder) for word in LONG[command].split()]
    return subprocess.Popen(
        [*CALVIN, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def _done(command: str, folder: Path) -> None:
    child = _started(command, folder)
    _, said = child.communicate()
    if child.returncode:
        raise RuntimeError(f"{command} ended with {child.returncode}: {said.decode()[-2000:]}")


def _wholes(folder: Path) -> None:
    """For each command the folder before it and after it, and how long it takes; made once."""
    start = folder / "before-describe"
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
    for command, after in zip(LONG, [*list(LONG)[1:], "end"], strict=True):
        shutil.copytree(folder / f"before-{command}", folder / f"before-{after}")
        began = time.monotonic()
        _done(command, folder / f"before-{after}")
        _taken[command] = time.monotonic() - began


def _found(folder: Path) -> dict[str, bytes | int]:
    """What is in each file; of databases that they are there, and the size of films, which hold random numbers."""

    def content(path: Path) -> bytes | int:
        if path.name.startswith("project."):
            return 0
        if path.suffix == ".mkv":
            return path.stat().st_size
        data = path.read_bytes()
        # safetensors writes what describes the tensors in random order, in front of them.
        return data[8 + int.from_bytes(data[:8], "little") :] if path.suffix == ".safetensors" else data

    return {path.relative_to(folder).as_posix(): content(path) for path in folder.rglob("*") if path.is_file()}


def try_kill(number: int, folder: Path) -> tuple[str, str]:
    """Kills a command at any moment and gives it again: the end must be as if nothing had happened."""
    if not _taken:
        _wholes(folder)
    rng = np.random.default_rng(number)
    command = list(LONG)[number % len(LONG)]
    after = [*list(LONG)[1:], "end"][number % len(LONG)]
    place = folder / f"before-{after}-again"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder / f"before-{command}", place)
    child = _started(command, place)
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
    _done(command, place)
    whole, again = _found(folder / f"before-{after}"), _found(place)
    left = [name for name in again if ".calvin-" in name or name.endswith("-journal")]
    if left:
        return "left behind", f"{about}: {', '.join(left)}"
    other = sorted(name for name in whole.keys() | again.keys() if whole.get(name) != again.get(name))
    return ("other result", f"{about}: {', '.join(other)}") if other else ("equal", about)


PARTS["kills"] = try_kill


def work(part: str, start: int, stop: int) -> None:
    """The child: tries start to stop, a line of JSON for each."""
    with tempfile.TemporaryDirectory(prefix="calvin-attack-") as folder:
        for number in range(start, stop):
            began = time.monotonic()
            try:
                outcome, about = PARTS[part](number, Path(folder))
            except Exception:
                outcome, about = "traceback", traceback.format_exc()
            print(json.dumps([number, outcome, about, time.monotonic() - began]), flush=True)


def outcomes(part: str, start: int, stop: int) -> Iterator[tuple[int, str, str, float]]:
    """Each try's number, outcome, a line about it and its seconds; a process that dies or hangs is begun anew."""
    number = start
    while number < stop:
        command = [sys.executable, __file__, part, "--work", f"{number}:{stop}"]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stderr is not None
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_pour, args=(child.stdout, lines), daemon=True).start()
        threading.Thread(target=child.stderr.read, daemon=True).start()
        while number < stop:
            try:
                line = lines.get(timeout=SLOW.get(part, HANG_S))
            except queue.Empty:
                child.kill()
                yield number, "hung", f"over {SLOW.get(part, HANG_S)} s", SLOW.get(part, HANG_S)
                number += 1
                break
            if not line:
                yield number, "died", f"exit code {child.wait()}", 0.0
                number += 1
                break
            yield tuple(json.loads(line))
            number += 1
        child.wait()


def _pour(stream: Iterator[str], lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the number to begin with: each damages in its own way")
    parser.add_argument("--only", type=int, help="one number again, with all that it says")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        work(asked.part, *map(int, asked.work.split(":")))
        return
    if asked.only is not None:
        work(asked.part, asked.only, asked.only + 1)
        return
    counts: Counter[str] = Counter()
    longest = 0.0
    for number, outcome, about, seconds in outcomes(asked.part, asked.first, asked.first + asked.count):
        counts[outcome] += 1
        longest = max(longest, seconds)
        if outcome in FAULTS:
            print(f"{number}: {outcome}: {about}", flush=True)
    for outcome, count in counts.most_common():
        print(f"{outcome:24} {count:6}")
    print(f"{'longest try':24} {longest:6.1f} s")
    sys.exit(any(counts[fault] for fault in FAULTS))


if __name__ == "__main__":
    main()
