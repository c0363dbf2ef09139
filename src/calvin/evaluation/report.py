"""Reports to look at: one system's scenes, worst first; several systems with a column each (Figures 1, 4, 7, Table 6).

In a comparison each caption can be marked as acceptable though different (Table 7); the marks are saved as CSV from
the page. A page is one file that nothing outside can change: jinja2 escapes every text, and the page's own policy lets
only our style and script run, known by their hashes, and loads nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calvin.core.files import write_text
from calvin.core.time import format_timecode
from calvin.evaluation.compare import Comparison, legend, tables, worded_tests
from calvin.evaluation.results import EvaluatedScene, Results, scene_measures, score_rows, worst_first
from calvin.evaluation.scoring import TRUTH

SHOWN = 300
"""Scenes in a report, pictures included, so that a browser can open it."""

_PAGES = Path(__file__).with_name("pages")
_FACTS = frozenset({"mean length", "wrong-name rate"})  # not said again under every caption
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?\b(?!\w)")


def write_report(results: Results, path: Path, limit: int = SHOWN) -> Path:
    """The page of one evaluation."""
    scores = results.scores
    header, *rows = score_rows(scores)
    rows = [[*row, m.setting] for row, m in zip(rows, scores.measures, strict=True)]
    caption = "Scores, in points; the interval is a bootstrap over scenes; †: not comparable with published numbers"
    skipped = (f"{name} was not computed: {why}" for name, why in scores.skipped.items())
    return _write(
        path,
        f"Evaluation of {results.name}",
        [results],
        warnings=[*results.notes, *skipped],
        tables=[_table(caption, [*header, "setting"], rows)],
        scenes=_scenes([results], limit),
    )


def write_comparison(comparison: Comparison, path: Path, limit: int = SHOWN) -> Path:
    """The page of a comparison; scenes are shown where all systems were given the same ones."""
    systems = comparison.systems
    sources = "; ".join(dict.fromkeys(f"{row.system}: {row.source}" for _, row in comparison.published))
    return _write(
        path,
        f"Comparison of {len(systems)} systems",
        systems,
        warnings=comparison.warnings(),
        tables=[_table("Scores, in points", header, rows) for header, *rows in tables(comparison)],
        small=[*legend(comparison), *([f"Sources: {sources}."] if sources else [])],
        marks=True,
        tests=[line for name in comparison.tests for line in worded_tests(comparison, name)],
        scenes=_scenes(systems, limit) if comparison.paired else None,
    )


def _write(path: Path, title: str, systems: Sequence[Results], **values: Any) -> Path:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    style, script = ((_PAGES / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'"
    )
    values = {"small": [], "tests": [], "marks": False, **values}
    if values["scenes"] is not None:
        shown, total = len(values["scenes"]), len(systems[0].scenes)
        values["shown"] = "All scenes" if shown == total else f"{shown} of {total} scenes"
    environment = Environment(loader=FileSystemLoader(_PAGES), autoescape=True, undefined=StrictUndefined)
    page = environment.get_template("page.html")
    text = page.render(title=title, policy=policy, style=style, script=script, cards=_cards(systems), **values)
    write_text(path, f"{text}\n")
    return path


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    """A table whose first column names the rows; columns of numbers stand to the right."""
    first = rows[0] if rows else header
    kinds = ["number" if _NUMBER.match(cell) and len(cell) < 20 else "words" for cell in first]
    return {"caption": caption, "header": header, "rows": rows, "kinds": kinds}


def _cards(systems: Sequence[Results]) -> dict[str, Any]:
    cards = [one.card.model_dump() for one in systems]
    fields = [name for name in cards[0] if any(card[name] != "" for card in cards)]
    rows = [[key, *(one.system.get(key, "") for one in systems)] for key in ("name", "fingerprint")]
    for name in fields:
        values = [str(card[name]) or "not stated" for card in cards]
        rows.append([name + (" (unequal)" if len(set(values)) > 1 else ""), *values])
    return _table("Protocol", ["", *(one.name for one in systems)], rows)


def _scenes(systems: Sequence[Results], limit: int) -> list[dict[str, Any]]:
    """The scenes as the page shows them, beginning with those at which all systems together did worst."""
    places = [{scene.id: place for place, scene in enumerate(one.scenes)} for one in systems]
    return [_scene(systems, systems[0].scenes[index], places) for index in worst_first(systems)[:limit]]


def _scene(systems: Sequence[Results], scene: EvaluatedScene, places: Sequence[Mapping[str, int]]) -> dict[str, Any]:
    strips = (one.strip(place[scene.id]) for one, place in zip(systems, places, strict=True))
    jpeg = next((strip for strip in strips if strip is not None), None)
    start, end = scene.start_ms, scene.end_ms or 0
    truth = scene.truth or {}
    facts = {key: truth.get(key) for key in ("action", "agent", "patient", "prop", "place")}
    return {
        "id": scene.id,
        "movie": scene.movie,
        "when": "" if start is None else f", {format_timecode(start)} to {format_timecode(end)}",
        "jpeg": base64.b64encode(jpeg).decode() if jpeg else "",
        "references": scene.references,
        "facts": ", ".join(f"{key}: {value}" for key, value in facts.items() if value),
        "sides": [_side(one, scene) for one in systems],
    }


def _side(one: Results, scene: EvaluatedScene) -> dict[str, Any]:
    caption = one.captions[scene.id]
    measures = [m for m in scene_measures(one.scores) if scene.id in m.values and m.name not in _FACTS]
    return {
        "name": one.name,
        "text": caption.text,
        "given": [*caption.context, *(f"present: {name}" for name in caption.entities)],
        "numbers": ", ".join(f"{m.name.removeprefix(TRUTH)} {m.values[scene.id] * m.scale:.0f}" for m in measures),
    }
