"""What a table or figure came to: rows beside the paper's, verdicts, and the report as Markdown, HTML and JSON."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from calvin.core.files import write_json, write_text
from calvin.core.text_tables import markdown_table
from calvin.evaluation.scoring import TRUTH, bootstrap_interval
from calvin.lab.reproduce.orderings import BERT, CIDER, MEASURES, Ordering, PaperRow, orderings_of
from calvin.lab.reproduce.verdicts import FilmScores, Verdict, summary, verdict_on

SHOWN = (f"{TRUTH}action", f"{TRUTH}names_exact", "wrong-name rate")
"""Measures against the truth of puppet films, and of names, that stand beside the paper's."""
_HEADS = {f"{TRUTH}action": "action", f"{TRUTH}names_exact": "names exact", "wrong-name rate": "wrong name"}


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """A row of the paper with our scores: measure -> seed -> film -> points. None of them: it was not run."""

    paper: PaperRow
    scores: Mapping[str, FilmScores] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        return max((len(seeds) for seeds in self.scores.values()), default=0)

    def films(self, measure: str) -> dict[str, float]:
        """The mean over seeds of each film; what is not a number is left out."""
        found: dict[str, list[float]] = {}
        for films in self.scores.get(measure, {}).values():
            for film, value in films.items():
                if math.isfinite(value):
                    found.setdefault(film, []).append(value)
        return {film: float(np.mean(values)) for film, values in found.items()}

    def mean(self, measure: str) -> float | None:
        values = list(self.films(measure).values())
        return float(np.mean(values)) if values else None

    def interval(self, measure: str) -> tuple[float, float] | None:
        """The 95% bootstrap interval over films."""
        return bootstrap_interval(np.array(list(self.films(measure).values())))


@dataclass(frozen=True)
class Findings:
    """A table or figure as far as its runs are made.

    Args:
        facts: of the machine, model and data, by name, for the report's foot.
        gate: why no verdict is given, where the baseline has not learnt what the orderings are about.
        axis: the x value of rows, by key, where they are points of curves: curve -> row -> x.
        orderings: what is judged, where it depends on the rows; None: what the paper says of this table or figure.
    """

    target: str
    title: str
    rows: Sequence[ScoredRow]
    notes: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    gate: str = ""
    gate_holds: bool = True
    axis: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    orderings: Sequence[Ordering] | None = None

    @property
    def verdicts(self) -> list[Verdict]:
        """On each of the paper's orderings; all "not run" where the gate does not hold."""
        by_measure: dict[str, dict[str, FilmScores]] = {}
        for row in self.rows:
            for measure, scores in row.scores.items():
                by_measure.setdefault(measure, {})[row.paper.key] = scores
        orderings = orderings_of(self.target) if self.orderings is None else self.orderings
        if not self.gate_holds:
            return [Verdict(one, "not run", why="the baseline does not pass the gate") for one in orderings]
        return [verdict_on(one, by_measure.get(one.measure, {})) for one in orderings]

    @property
    def measures(self) -> list[str]:
        """What the table shows: the paper's measures that are scored here, then those against the truth."""
        scored = {measure for row in self.rows for measure in row.scores}
        paper = [CIDER, *(name for name in (BERT, *MEASURES) if name != CIDER)]
        return [name for name in dict.fromkeys((*paper, *SHOWN)) if name in scored]

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """The table: head and rows, ours beside the paper's."""
        stated = {name for row in self.rows for name in row.paper.values}
        head = ["group", "row", "runs"]
        for name in self.measures:
            head += [_HEADS.get(name, name), *(["95%"] if name == CIDER else [])]
            head += [f"{name}, paper"] if name in stated else []
        rows = []
        for row in self.rows:
            cells = [row.paper.group, row.paper.label, str(row.runs) if row.runs else "not run"]
            for name in self.measures:
                cells.append(_points(row.mean(name)))
                if name == CIDER:
                    spread = row.interval(name)
                    cells.append(f"{spread[0]:.1f} to {spread[1]:.1f}" if spread else "")
                if name in stated:
                    value = row.paper.values.get(name)
                    cells.append("" if value is None else f"{value:.2f}")
            rows.append(cells)
        return head, rows

    def verdict_cells(self) -> tuple[list[str], list[list[str]]]:
        head = ["the paper says", "where", "here"]
        return head, [[v.ordering.claim, v.ordering.source, v.words] for v in self.verdicts]

    def sentences(self) -> list[str]:
        """What the tables mean, for reading them."""
        verdicts = self.verdicts
        said = [summary(verdicts)] if any(one.ordering.counted for one in verdicts) else []
        if self.gate:
            said.insert(0, f"Gate of the baseline {'holds' if self.gate_holds else 'DOES NOT HOLD'}: {self.gate}.")
        said.append(
            "Scores are means over films, and over seeds of each film. Verdicts are by a paired sign-flip permutation "
            "test over films (two-sided, not corrected for the number of orderings); one is sure below p 0.05 if no "
            "seed contradicts it. The paper's figures are of a 7B on real films: compare the order of rows."
        )
        return [*said, *self.notes]

    def markdown(self) -> str:
        """The whole report but the picture."""
        facts = [f"{name}: {value}" for name, value in self.facts.items()]
        return "\n\n".join(
            [
                f"## {self.title}",
                markdown_table(*self.cells()),
                markdown_table(*self.verdict_cells()),
                "\n".join(f"- {line}" for line in self.sentences()),
                "\n".join(f"- {line}" for line in facts),
            ]
        )

    def page(self, picture: str = "") -> str:
        """The report as one HTML file; `picture` is the name of one beside it."""
        parts = [f"<h1>{html.escape(self.title)}</h1>"]
        if picture:
            about = f"The CIDEr-D column of the first table as a picture: {self.title}"
            parts.append(f'<p><img src="{html.escape(picture)}" alt="{html.escape(about)}"></p>')
        parts += [_html_table("Rows beside the paper's", *self.cells())]
        parts += [_html_table("The paper's orderings", *self.verdict_cells())]
        parts += [_html_list("How to read it", self.sentences())]
        parts += [_html_list("How it was made", [f"{name}: {value}" for name, value in self.facts.items()])]
        return _PAGE.format(title=html.escape(self.title), body="\n".join(parts))

    def as_json(self) -> dict[str, Any]:
        rows = [
            {"key": row.paper.key, "group": row.paper.group, "label": row.paper.label, "paper": dict(row.paper.values),
             "scores": {name: {str(seed): dict(films) for seed, films in seeds.items()}
                        for name, seeds in row.scores.items()}}
            for row in self.rows
        ]  # fmt: skip
        verdicts = [
            {"key": v.ordering.key, "claim": v.ordering.claim, "source": v.ordering.source,
             "counted": v.ordering.counted, "measure": v.ordering.measure, "verdict": v.kind,
             "weakest": v.weakest, "difference": v.difference,
             "interval": v.interval, "p": v.p, "films": v.films, "seeds": v.seeds, "why": v.why}
            for v in self.verdicts
        ]  # fmt: skip
        return {"target": self.target, "facts": dict(self.facts), "gate": self.gate, "gate_holds": self.gate_holds,
                "rows": rows, "verdicts": verdicts, "notes": list(self.notes)}  # fmt: skip

    def write(self, folder: Path, picture: str = "") -> None:
        """`report.md`, `report.html` and `results.json`."""
        write_json(folder / "results.json", self.as_json())
        shown = f"![{self.title}]({picture})\n\n" if picture else ""
        write_text(folder / "report.md", f"{self.markdown()}\n\n{shown}".rstrip() + "\n")
        write_text(folder / "report.html", self.page(picture))


def _points(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _html_table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heads = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
    body = "\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    title = f"<caption>{html.escape(caption)}</caption>"
    return f"<table>{title}\n<thead><tr>{heads}</tr></thead>\n<tbody>{body}</tbody></table>"


def _html_list(heading: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<h2>{html.escape(heading)}</h2>\n<ul>{items}</ul>"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font-family: system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; line-height: 1.5; }}
table {{ border-collapse: collapse; margin: 1.5rem 0; }}
caption {{ text-align: left; font-weight: bold; padding: 0.3rem 0; }}
th, td {{ border-bottom: 1px solid #767676; padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }}
img {{ max-width: 100%; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
