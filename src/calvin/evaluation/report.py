"""Reports to look at: one system's scenes, worst first; several systems with a column each (Figures 1, 4, 7, Table 6).

In a comparison each caption can be marked as acceptable though different (Table 7); the marks are saved as CSV from
the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calvin.core.files import write_text
from calvin.core.time import format_timecode
from calvin.evaluation.compare import Comparison, legend, tables, told_tests
from calvin.evaluation.html import Markup, page, picture, table, tag
from calvin.evaluation.results import EvaluatedScene, Results, scene_measures, score_rows, worst_first
from calvin.evaluation.scoring import TRUTH

SHOWN = 300
"""Scenes in a report, pictures included, so that a browser can open it."""

_FACTS = frozenset({"mean length", "wrong-name rate"})  # not said again under every caption


def write_report(results: Results, path: Path, limit: int = SHOWN) -> Path:
    """The page of one evaluation."""
    scores = results.scores
    header, *rows = score_rows(scores)
    rows = [[*row, m.setting] for row, m in zip(rows, scores.measures, strict=True)]
    parts = [
        *(tag("p", note, class_="warning") for note in results.notes),
        *(tag("p", f"{name} was not computed: {why}", class_="warning") for name, why in scores.skipped.items()),
        table(
            "Scores, in points; the interval is a bootstrap over scenes; †: not comparable with published numbers",
            [*header, "setting"],
            rows,
        ),
        _cards([results]),
    ]
    write_text(path, page(f"Evaluation of {results.name}", *parts, *_scenes([results], limit, marks=False)))
    return path


def write_comparison(comparison: Comparison, path: Path, limit: int = SHOWN) -> Path:
    """The page of a comparison; scenes are shown where all systems were given the same ones."""
    systems = comparison.systems
    tests = [line for name in comparison.tests for line in told_tests(comparison, name)]
    sources = "; ".join(dict.fromkeys(f"{row.system}: {row.source}" for _, row in comparison.published))
    parts = [
        *(tag("p", words, class_="warning") for words in comparison.warnings()),
        *(table("Scores, in points", header, rows) for header, *rows in tables(comparison)),
        *(tag("p", line, class_="small") for line in (*legend(comparison), f"Sources: {sources}.")),
        tag("details", tag("summary", "Every test"), tag("ul", *(tag("li", line) for line in tests))),
        _cards(systems),
    ]
    scenes = _scenes(systems, limit, marks=True) if comparison.paired else []
    write_text(path, page(f"Comparison of {len(systems)} systems", *parts, *scenes))
    return path


def _cards(systems: Sequence[Results]) -> Markup:
    cards = [one.card.model_dump() for one in systems]
    fields = [name for name in cards[0] if any(card[name] != "" for card in cards)]
    rows: list[list[str]] = []
    for name in fields:
        values = [str(card[name]) or "not stated" for card in cards]
        mark = " (unequal)" if len(set(values)) > 1 else ""
        rows.append([name + mark, *values])
    facts = [[key, *(one.system.get(key, "") for one in systems)] for key in ("name", "fingerprint")]
    return table("Protocol", ["", *(one.name for one in systems)], [*facts, *rows])


def _scenes(systems: Sequence[Results], limit: int, marks: bool) -> list[Markup]:
    order = worst_first(systems)[:limit]
    total = len(systems[0].scenes)
    said = "All scenes" if len(order) == total else f"{len(order)} of {total} scenes"
    controls = [
        tag("label", tag("input", type="checkbox", id="single"), " one scene a page "),
        tag("button", "← before", type="button", id="before"),
        tag("button", "after →", type="button", id="after"),
    ]
    if marks:
        controls.append(tag("button", "save what is acceptable as CSV", type="button", id="export"))
    places = [{scene.id: place for place, scene in enumerate(one.scenes)} for one in systems]
    return [
        tag("h2", f"{said}, worst first"),
        tag("nav", *controls),
        *(_article(systems, systems[0].scenes[index], places, rank, marks) for rank, index in enumerate(order, 1)),
    ]


def _article(
    systems: Sequence[Results], scene: EvaluatedScene, places: Sequence[dict[str, int]], rank: int, marks: bool
) -> Markup:
    when = (
        "" if scene.start_ms is None else f", {format_timecode(scene.start_ms)} to {format_timecode(scene.end_ms or 0)}"
    )
    strips = (one.strip(place[scene.id]) for one, place in zip(systems, places, strict=True))
    jpeg = next((strip for strip in strips if strip is not None), None)
    reference = [tag("h3", "reference"), *(tag("p", text) for text in scene.references)]
    if scene.truth:
        facts = {key: scene.truth.get(key) for key in ("action", "agent", "patient", "prop", "place")}
        words = ", ".join(f"{key}: {value}" for key, value in facts.items() if value)
        reference.append(tag("p", words, class_="small"))
    return tag(
        "article",
        tag("h3", f"{rank}. {scene.id}{when}"),
        picture(jpeg, f"Stills of {scene.id}"),
        tag("div", tag("section", *reference), *(_side(one, scene, marks) for one in systems), class_="sides"),
        id=f"scene-{rank}",
        data_scene=scene.id,
        data_movie=scene.movie,
        data_reference=scene.references[0],
    )


def _side(one: Results, scene: EvaluatedScene, marks: bool) -> Markup:
    told = one.captions[scene.id]
    measures = [m for m in scene_measures(one.scores) if scene.id in m.values and m.name not in _FACTS]
    numbers = ", ".join(f"{m.name.removeprefix(TRUTH)} {m.values[scene.id] * m.scale:.0f}" for m in measures)
    parts = [tag("h3", one.name), tag("p", told.text or "(nothing)", class_="caption")]
    if told.context or told.entities:
        lines = [
            *(tag("li", line) for line in told.context),
            *(tag("li", f"present: {name}") for name in told.entities),
        ]
        parts.append(tag("details", tag("summary", "what it was told"), tag("ol", *lines), open=not marks))
    parts.append(tag("p", numbers, class_="small"))
    if marks:
        box = tag("input", type="checkbox", name=f"{scene.id}|{one.name}", data_system=one.name)
        parts.append(tag("label", box, " acceptable though different"))
    return tag("section", *parts)
