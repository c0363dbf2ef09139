"""Reports to look at: one system's scenes, worst first; several systems with a column each (Figures 1, 4, 7, Table 6).

In a comparison each caption can be marked as acceptable though different (Table 7); the marks are saved as CSV from
the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calvin.core.files import write_text
from calvin.core.time import format_timecode
from calvin.evaluation.compare import Comparison, cell, told_tests
from calvin.evaluation.html import Markup, join, page, picture, table, tag
from calvin.evaluation.results import EvaluatedScene, Results, scene_measures, worst_first
from calvin.evaluation.scoring import TRUTH

SHOWN = 300
"""Scenes in a report, pictures included, so that a browser can open it."""


def write_report(results: Results, path: Path, limit: int = SHOWN) -> Path:
    """The page of one evaluation."""
    scores = results.scores
    rows: list[list[str | Markup]] = [
        [
            m.name + ("" if m.comparable else " (not comparable with published numbers)"),
            f"{m.shown:.2f}",
            "" if m.interval is None else f"{m.interval[0] * m.scale:.2f} to {m.interval[1] * m.scale:.2f}",
            "" if m.movie_mean is None else f"{m.movie_mean * m.scale:.2f}",
            m.setting,
        ]
        for m in scores.measures
    ]
    parts = [
        *(tag("p", note, class_="warning") for note in results.notes),
        *(tag("p", f"{name} was not computed: {why}", class_="warning") for name, why in scores.skipped.items()),
        table("Scores", ["measure", "pooled", "95% interval, bootstrap over scenes", "mean of films", "setting"], rows),
        _cards([results]),
    ]
    write_text(path, page(f"Evaluation of {results.name}", *parts, *_scenes([results], limit, marks=False)))
    return path


def write_comparison(comparison: Comparison, path: Path, limit: int = SHOWN) -> Path:
    """The page of a comparison; scenes are shown where all systems were given the same ones."""
    systems, measures = comparison.systems, comparison.measures
    rows: list[list[str | Markup]] = [
        [(f"{i + 1}. " if comparison.ranked else "") + one.name, *(cell(comparison, name, i) for name in measures)]
        for i, one in enumerate(systems)
    ]
    rows += [
        [
            tag("span", f"published: {row.system}, {row.context} ({split})", title=row.source, class_="published"),
            *(f"{row.mapping[name]:.2f}" if name in row.mapping else "" for name in measures),
        ]
        for split, row in comparison.published
    ]
    tests = [line.strip() for name in comparison.tests for line in told_tests(comparison, name)]
    parts = [
        *(tag("p", words, class_="warning") for words in comparison.warnings()),
        table("Scores, in points", ["system", *measures], rows),
        tag("p", "Published rows are not ours: measured by others and printed in the CALVIN paper, Tables 1 and 2. "
            f"A star: differs from {systems[0].name} with p < 0.05 (paired permutation test over scenes)."),
        tag("details", tag("summary", "Every test"), tag("ul", *(tag("li", line) for line in tests))),
        _cards(systems),
    ]  # fmt: skip
    scenes = _scenes(systems, limit, marks=True) if comparison.paired else []
    write_text(path, page(f"Comparison of {len(systems)} systems", *parts, *scenes))
    return path


def _cards(systems: Sequence[Results]) -> Markup:
    cards = [one.card.model_dump() for one in systems]
    fields = [name for name in cards[0] if any(card[name] != "" for card in cards)]
    rows: list[list[str | Markup]] = []
    for name in fields:
        values = [str(card[name]) or "not stated" for card in cards]
        mark = " (unequal)" if len(set(values)) > 1 else ""
        rows.append([name + mark, *values])
    facts = [[key, *(one.system.get(key, "") for one in systems)] for key in ("name", "fingerprint")]
    return join(
        Markup('<div class="words">'),
        table("Protocol", ["", *(one.name for one in systems)], [*facts, *rows]),
        Markup("</div>"),
    )


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
    measures = scene_measures(one.scores)
    numbers = ", ".join(
        f"{m.name.removeprefix(TRUTH)} {m.values[scene.id] * m.scale:.0f}" for m in measures if scene.id in m.values
    )
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
