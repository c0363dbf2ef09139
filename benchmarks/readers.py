"""Samples per second of each reader of annotations and of each kind of feature file, against bare reads of the file.

    python benchmarks/readers.py [--rows 20000]

Files are written by this program and read from the page cache, so that what is measured is the reading, not the disk.
"Bare" reads the same bytes; for features it reads the same arrays by `read` alone. Times are processor time, the least
of three. The last column says how many processes of readers feed eight GPUs in stage 2 (each takes 6 samples per step,
at 4 steps per second).
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from calvin.core.time import Span
from calvin.data import READERS, FeatureWriter, open_features, read
from calvin.data.feature_files import MANIFEST

NEEDED = 8 * 6 * 4.0
CAPTION = "A woman in a red coat hands the man by the window a lamp, then leaves"


def rows(format: str, count: int) -> str:
    """An annotation file in the format's own schema."""
    movies = [f"{i // 500:04d}_A_Film" for i in range(count)]
    if format == "mad_v1":
        return json.dumps({
            str(i): {"movie": movies[i], "sentence": CAPTION, "timestamps": [i * 4.0, i * 4.0 + 3],
                     "ext_timestamps": [i * 4.0 - 1, i * 4.0 + 4], "movie_duration": 9000.0}
            for i in range(count)
        })  # fmt: skip
    if format == "llava":
        turns = [{"from": "human", "value": "<image>\nWhat is there?"}, {"from": "gpt", "value": CAPTION}]
        return json.dumps([{"id": str(i), "image": f"coco/{i}.jpg", "conversations": turns} for i in range(count)])
    clip = "0001_A_Film_00.00.12.400-00.00.14.900\t00.00.12.400\t00.00.14.900\t00.00.11.900\t00.00.15.400"
    head, line = {
        "mad_csv": ("text,start,end,movie", '"{c}",{t}.4,{t}.9,{m}'),
        "webvid": ("videoid,contentUrl,duration,page_dir,name", '{i},https://example.org/{i}.mp4,PT11S,p,"{c}"'),
        "cc3m": ("", "{c}\thttps://example.org/{i}.jpg"),
        "cc12m": ("", "https://example.org/{i}.jpg\t{c}"),
        "tvc": ("", '{{"vid_name": "v{i}", "duration": 61.4, "ts": [3.1, 8.0], "clip_id": {i}, "descs": '
                '[{{"desc": "{c}", "type": "v", "from_retrieval": false, "desc_id": {i}}}]}}'),
        "tvr": ("", '{{"vid_name": "v{i}", "duration": 61.4, "ts": [3.1, 8.0], "desc": "{c}", "desc_id": {i}}}'),
        "lsmdc": ("", clip + "\t{c}"),
        "cmd_ad": ("text,start,end,movie,scaled_start,scaled_end,cmd_filename,imdbid,movie_title,cmd_clip_idx",
                   '"{c}",1,2,A Film,{t}.4,{t}.9,2011/{m}.mp4,tt0000001,A Film,3'),
        "tv_ad": ("text,start,end,imdbid,imdbid_pe,season,episode,scaled_end,scaled_start,duration,"
                  "tvad_name,tvad_index",
                  '"{c}",1,2,tt0000002,tt0000003,1,2,{t}.9,{t}.4,0.5,{m},"[1, 2]"'),
    }[format]  # fmt: skip
    body = [line.format(c=CAPTION, i=i, t=4 * (i % 500), m=movies[i]) for i in range(count)]
    return "\n".join([head, *body] if head else body) + "\n"


def write_shards(folder: Path, count: int, array: np.ndarray | None = None) -> Path:
    """Tars of 1,000 samples, with the array or 20 kB of picture each."""
    folder.mkdir()
    stream = io.BytesIO()
    if array is not None:
        np.save(stream, array)
    data, suffix = (stream.getvalue(), "npy") if array is not None else (bytes(20_000), "jpg")
    for shard in range(-(-count // 1000)):
        with tarfile.open(folder / f"{shard:05d}.tar", "w") as tar:
            for i in range(shard * 1000, min(count, (shard + 1) * 1000)):
                for name, content in ((f"{i:09d}.{suffix}", data), (f"{i:09d}.txt", CAPTION.encode())):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return folder


def seconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return max(best, 1e-6)


def bare(path: Path) -> None:
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        with open(file, "rb") as stream:
            while stream.read(1 << 20):
                pass


def show(name: str, count: int, ours: float, floor: float) -> None:
    rate = count / ours
    print(f"| {name} | {rate:,.0f} | {count / floor:,.0f} | {ours / floor:.1f} | {NEEDED / rate:.4f} |")


def features(folder: Path, count: int) -> None:
    """Scenes of 32 frames of 1,024 numbers (ViT-H/14) out of films in .h5, clips in .h5, and tars."""
    rng = np.random.default_rng(0)
    film = rng.standard_normal((20_000, 1024)).astype(np.float16)
    with FeatureWriter(folder / "films.h5", "e", "h", fps=5, dim=1024) as writer:
        writer.add("film", film)
    with FeatureWriter(folder / "clips.h5", "e", "h", fps=5, dim=1024) as writer:
        for i in range(count):
            writer.add(f"{i:09d}", film[i % 1000 : i % 1000 + 32])
    tars = write_shards(folder / "tars", count, film[:32])
    (tars / MANIFEST).write_text(json.dumps({"fps": 5, "encoder_id": "e", "encoder_hash": "h", "dim": 1024}))
    films, clips, shards = (open_features(path) for path in (folder / "films.h5", folder / "clips.h5", tars))
    spans = [Span.from_seconds(s, s + 6.4) for s in rng.integers(0, 3900, count).tolist()]
    floor = seconds(lambda: [np.frombuffer(chunk, np.float16) for chunk in _chunks(folder / "clips.h5", count)])
    show("features: scenes of films, .h5", count, seconds(lambda: [films.scene("film", s) for s in spans]), floor)
    names = [clips.ids[i] for i in rng.integers(0, count, count)]
    show("features: clips, .h5", count, seconds(lambda: [clips.scene(name, None) for name in names]), floor)
    names = [shards.ids[i] for i in rng.integers(0, count, count)]
    show("features: clips, tars", count, seconds(lambda: [shards.scene(name, None) for name in names]), floor)


def _chunks(path: Path, count: int) -> list[bytes]:
    with open(path, "rb") as stream:
        return [stream.read(32 * 1024 * 2) for _ in range(count)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    count = parser.parse_args().rows
    print("| reader | samples per second | bare read, samples per second | times | processes for 8 GPUs |")
    print("|---|---|---|---|---|")
    slow = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for format in READERS:
            path = folder / format
            number = count
            if format == "webdataset":
                number = count // 10
                write_shards(path, number)
            else:
                path.write_text(rows(format, count), encoding="utf-8")
            assert len(read(format, path).samples) == number, format
            ours = seconds(lambda format=format, path=path: read(format, path))
            show(format, number, ours, seconds(lambda path=path: bare(path)))
            slow += [format] * (number / ours < NEEDED)
        features(folder, max(200, count // 20))
    if slow:
        print(f"too slow for 8 GPUs: {', '.join(slow)}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
