"""Memory and time that training takes for its data where there are millions of pairs.

    python benchmarks/many_pairs.py [--rows 10000000] [--folder DIR]

Writes rows of a CC12M-like TSV and tars of frame vectors in img2dataset's layout, all from a seed, to a folder of its
own, and removes it at the end: 1.4 GB for each million rows, with the indexes. Then, each in a process of its own, it
makes the indexes, starts anew with them as training does (recognising the data, the first batch), draws further
batches, and, for comparison, reads fewer rows into memory as small data are read. Each vector is compared with its
caption, and the batches after the new start with those before it.

"Libraries" is what the process takes before it reads anything; extrapolated to 112 million rows is what comes on top.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from calvin.core.tokens import TokenLayout
from calvin.data import Instructions, Mixture, SourceConfig, load_source, sources
from calvin.data.feature_files import MANIFEST
from calvin.data.identity import source_identity

WIDTH, SHARD, BLOCK, WORDS = 8, 10_000, 512, 12
PAPER = 112_000_000
MOST_MB, MOST_S, PAPER_MB, PAPER_S = 250, 10, 2048, 60
BATCHES = 200


class Numbers:
    """A tokenizer of words such as w17."""

    def __call__(self, text: str, add_special_tokens: bool = False) -> dict[str, list[int]]:
        return {"input_ids": [int(word[1:]) + 4 for word in text.split()]}


def write(folder: Path, rows: int) -> None:
    """The TSV and the tars; the caption's first word and the first number of the vector are the row's last digits."""
    (folder / "tars").mkdir()
    facts = {"fps": 5.0, "encoder_id": "e", "encoder_hash": "h", "dim": WIDTH}
    (folder / "tars" / MANIFEST).write_text(json.dumps(facts))
    stream = io.BytesIO()
    np.save(stream, np.zeros((1, WIDTH), np.float16))
    payload = np.frombuffer(stream.getvalue(), np.uint8)
    member = tarfile.TarInfo(f"{0:09d}.npy")
    member.size = len(payload)
    head = np.frombuffer(member.tobuf(tarfile.USTAR_FORMAT), np.uint8)
    total = int(head.sum()) - int(head[148:156].sum()) + 8 * ord(" ")
    rng = np.random.default_rng(0)
    with open(folder / "pairs.tsv", "w", encoding="utf-8") as table:
        for first in range(0, rows, SHARD):
            numbers = np.arange(first, min(rows, first + SHARD))
            words = rng.integers(0, 1000, (len(numbers), WORDS)).tolist()
            for number, said in zip(numbers.tolist(), words, strict=True):
                caption = " ".join(f"w{word}" for word in (number % 1000, *said))
                table.write(f"https://example.org/{number}.jpg\t{caption}\n")
            blocks = np.zeros((len(numbers), 2 * BLOCK), np.uint8)
            blocks[:, :BLOCK], blocks[:, BLOCK : BLOCK + len(payload)] = head, payload
            digits = numbers[:, None] // 10 ** np.arange(8, -1, -1) % 10
            blocks[:, :9] += digits.astype(np.uint8)
            checksum = total + digits.sum(axis=1)
            blocks[:, 148:154] = checksum[:, None] // 8 ** np.arange(5, -1, -1) % 8 + ord("0")
            vectors = np.zeros((len(numbers), WIDTH), np.float16)
            vectors[:, 0] = numbers % 1000
            end = BLOCK + len(payload)
            blocks[:, end - 2 * WIDTH : end] = vectors.view(np.uint8)
            with open(folder / "tars" / f"{first // SHARD:05d}.tar", "wb") as tar:
                tar.write(blocks.tobytes() + bytes(2 * BLOCK))


def memory() -> dict[str, float]:
    """MB of this process now, and at most so far."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(lines[key].split()[0]) / 1024 for name, key in (("now", "VmRSS"), ("most", "VmHWM"))}


def config(folder: Path, rows: int | None = None) -> SourceConfig:
    return SourceConfig(
        name="pairs",
        format="cc12m",
        annotations=folder / "pairs.tsv",
        features=folder / "tars",
        limit=rows,
        cache_mb=16,
    )


def start(folder: Path) -> dict[str, Any]:
    """What training does with its data: know them again, mix them, draw batches."""
    import torch.nn.utils.rnn  # noqa: F401  what `collate` needs, as a library

    libraries, started, worked = memory()["now"], time.monotonic(), time.process_time()
    known = source_identity(config(folder))
    source = load_source(config(folder), expect_encoder=("e", "h"))
    layout = TokenLayout(Numbers(), 1, 2, 3, num_query_tokens=32, max_length=128)
    mixture = Mixture([source], layout, instructions=Instructions(stage=1), seed=3)
    identity = json.dumps([known, mixture.identity])
    mixture.batch_at(0)
    took, cpu, first = time.monotonic() - started, time.process_time() - worked, memory()
    digest, begun = hashlib.sha256(identity.encode()), time.monotonic()
    for step in range(1, 1 + BATCHES):
        batch = mixture.batch_at(step)
        for ids, labels, vector in zip(batch["input_ids"], batch["labels"], batch["image_embeds"], strict=True):
            assert int(ids[labels >= 0][0]) - 4 == int(vector[0, 0])
        digest.update(batch["input_ids"].numpy().tobytes())
    return {
        "libraries": libraries,
        "start_s": took,
        "start_cpu_s": cpu,
        "started": first,
        "drawn": memory(),
        "batch_ms": (time.monotonic() - begun) / BATCHES * 1000,
        "samples": len(source.samples),
        "report": source.report.summary(),
        "digest": digest.hexdigest(),
    }


def before(folder: Path, rows: int) -> dict[str, Any]:
    """The same samples as a list, as small data are read."""
    few = folder / "few.tsv"
    with open(folder / "pairs.tsv", encoding="utf-8") as table, open(few, "w", encoding="utf-8") as out:
        for _, line in zip(range(rows), table, strict=False):
            out.write(line)
    sources.INDEXED_FROM = 2**62
    at_first = memory()["now"]
    result = sources.open_samples(config(folder).changed(annotations=few))
    return {"bytes": (memory()["now"] - at_first) * 2**20 / len(result.samples), "samples": len(result.samples)}


def part(name: str, folder: Path, rows: int) -> dict[str, Any]:
    """One of the functions above in a process of its own."""
    env = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    began = time.monotonic()
    command = [sys.executable, __file__, "--part", name, "--folder", str(folder), "--rows", str(rows)]
    found = json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout)
    return {**found, "all_s": time.monotonic() - began}


def show(rows: int, made: dict[str, Any], found: dict[str, Any], listed: dict[str, Any], size: int) -> bool:
    """Print the table; whether the figures are reached."""
    more = PAPER / rows
    libraries, data = found["libraries"], found["drawn"]["most"] - found["libraries"]
    paper_mb, paper_s = libraries + data * more, found["start_s"] * more
    print(f"| what | {rows:,} rows | 112,000,000 rows, extrapolated |")
    print("|---|---|---|")
    print(
        f"| indexes made once, with their data's hashes | {made['start_s']:,.0f} s | {made['start_s'] * more:,.0f} s |"
    )
    print(f"| memory of that process at most | {made['drawn']['most']:,.0f} MB | |")
    print(f"| indexes on disk | {size / 2**20:,.0f} MB | {size * more / 2**20:,.0f} MB |")
    print(f"| start with the indexes there | {found['start_s']:.1f} s ({found['start_cpu_s']:.1f} of a core) | "
          f"{paper_s:.0f} s |")  # fmt: skip
    print(f"| memory for the data, at most | {data:.0f} MB | {data * more:,.0f} MB |")
    print(f"| memory of the process, at most (libraries {libraries:.0f} MB) | {libraries + data:.0f} MB | "
          f"{paper_mb:,.0f} MB |")  # fmt: skip
    print(f"| a batch of 12 | {found['batch_ms']:.1f} ms | |")
    print(f"| the samples as a list ({listed['samples']:,} measured) | {listed['bytes'] * rows / 2**20:,.0f} MB "
          f"({listed['bytes']:.0f} bytes each) | {listed['bytes'] * PAPER / 2**20:,.0f} MB |")  # fmt: skip
    print(f"{BATCHES} batches after the second start are those after the first: {made['digest'] == found['digest']}")
    reached = data <= MOST_MB and found["start_s"] <= MOST_S and paper_mb <= PAPER_MB and paper_s <= PAPER_S
    return reached and made["digest"] == found["digest"] and found["samples"] == rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="a million or more: fewer have no index")
    parser.add_argument("--folder", type=Path, help="a folder that is not there yet; by default a temporary one")
    parser.add_argument("--part", choices=("start", "before"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part is not None:
        print(json.dumps(start(args.folder) if args.part == "start" else before(args.folder, args.rows)))
        return 0
    folder = Path(tempfile.mkdtemp(prefix="many-pairs-")) if args.folder is None else args.folder
    if args.folder is not None:
        folder.mkdir(parents=True)
    try:
        print(f"writing {args.rows:,} rows to {folder}", file=sys.stderr)
        write(folder, args.rows)
        made = part("start", folder, args.rows)
        print(f"indexed: {json.dumps(made)}", file=sys.stderr)
        found = part("start", folder, args.rows)
        print(f"started: {json.dumps(found)}", file=sys.stderr)
        places = [folder / ".calvin-index", folder / "tars" / ".calvin-index"]
        size = sum(file.stat().st_size for place in places if place.is_dir() for file in place.rglob("*"))
        listed = part("before", folder, min(args.rows, 300_000))
    finally:
        shutil.rmtree(folder)
    return 0 if show(args.rows, made, found, listed, size) else 1


if __name__ == "__main__":
    sys.exit(main())
