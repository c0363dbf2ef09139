"""Damaged subtitles and scripts, read as `describe -s` and `import` do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from attacks.damage import damaged

from calvin.core.errors import CalvinError
from calvin.media.subtitles import read_subtitles
from calvin.media.timed_text import read_text
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import plan_import

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
