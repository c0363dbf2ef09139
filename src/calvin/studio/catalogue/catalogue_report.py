"""What became of a catalogue's films, as a page and as a table."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calvin.captioners.spending import Price, Spending
from calvin.core.files import write_text
from calvin.core.text_tables import counted, csv_text
from calvin.studio.catalogue.film_journal import FilmResult
from calvin.studio.catalogue.listing import Entry

CSV, PAGE = "catalogue.csv", "catalogue.html"
State = Literal["described", "described before", "failed", "the same film", "not begun"]


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """A film of the catalogue, and what became of it."""

    entry: Entry
    state: State
    result: FilmResult = FilmResult()  # noqa: RUF009  frozen

    @property
    def remarks(self) -> tuple[str, ...]:
        """What went wrong, or what there is to know."""
        if self.entry.same_as is not None:
            return (f"It is the same film as {self.entry.same_as}, which is described once.",)
        return (self.result.error,) if self.result.error else self.result.notes


@dataclass(frozen=True)
class CatalogueReport:
    """All films of the catalogue in the folder `out`, in its order; `price` None: not known."""

    out: Path
    rows: Sequence[CatalogueRow]
    price: Price | None = None

    def counts(self, state: State) -> int:
        return sum(row.state == state for row in self.rows)

    @property
    def spent(self) -> Spending:
        return sum((row.result.spent for row in self.rows), Spending())

    @property
    def summary(self) -> str:
        """'12 films described, 1 failed: 20.4 hours of film, 4,310 cues.'"""
        described = self.counts("described") + self.counts("described before")
        before = self.counts("described before")
        parts = [f"{counted(described, 'film')} described" + (f" ({before} of them before)" if before else "")]
        others: tuple[tuple[State, str], ...] = (
            ("failed", "failed"),
            ("the same film", "listed twice"),
            ("not begun", "not begun"),
        )
        parts += [f"{self.counts(state)} {word}" for state, word in others if self.counts(state)]
        cues = sum(row.result.cues for row in self.rows)
        length = film_length(sum(row.result.seconds for row in self.rows))
        said = f"{', '.join(parts)}: {length}, {cues:,} cue{'' if cues == 1 else 's'}"
        return f"{said}{spending_words(self.spent, self.price, ', ')}."

    @property
    def files(self) -> tuple[Path, Path]:
        """The page and the table."""
        return self.out / PAGE, self.out / CSV

    def write(self) -> None:
        page, table = self.files
        write_text(table, csv_text(self._head(), self._cells()))
        write_text(page, self.page())

    @property
    def _served(self) -> bool:
        return self.spent != Spending()

    def _head(self) -> list[str]:
        head = ["film", "project", "state", "seconds of film", "cues", "places without words", "seconds taken"]
        head += ["answers", "tokens asked", "tokens answered"] if self._served else []
        head += ["cost"] if self._served and self.price is not None else []
        return [*head, "what to know"]

    def _cells(self) -> Iterator[list[object]]:
        for row in self.rows:
            result, spent = row.result, row.result.spent
            seconds = result.seconds or row.entry.seconds
            cells: list[object] = [row.entry.film, row.entry.name if row.entry.wanted else "", row.state]
            cells += [f"{seconds:.1f}", result.cues, result.empty, f"{result.took_s:.1f}"]
            cells += [spent.answers, spent.prompt_tokens, spent.completion_tokens] if self._served else []
            cells += [f"{self.price.of(spent):.4f}"] if self._served and self.price is not None else []
            yield [*cells, " ".join(row.remarks)]

    def page(self) -> str:
        """The page, films by their paths from the folder that all lie in; other people's words in it are text."""
        folder = os.path.commonpath([row.entry.film.parent for row in self.rows]) if self.rows else ""
        heads = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in self._head())
        lines = []
        for row, (film, *cells) in zip(self.rows, self._cells(), strict=True):
            name = html.escape(os.path.relpath(str(film), folder))
            rest = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells)
            kind = "failed" if row.state == "failed" else ""
            lines.append(f'<tr class="{kind}"><th scope="row">{name}</th>{rest}</tr>')
        caption = html.escape(f"Films in {folder}")
        body = "\n".join(lines)
        return _PAGE.format(summary=html.escape(self.summary), caption=caption, heads=heads, body=body)


def film_length(seconds: float) -> str:
    """'20.4 hours of film', '3.5 minutes of film'."""
    return f"{seconds / 3600:,.1f} hours of film" if seconds >= 7200 else f"{seconds / 60:,.1f} minutes of film"


def spending_words(spent: Spending, price: Price | None, before: str = "") -> str:
    """'1,200 answers of the server, 1,800,000 tokens asked and 40,000 answered, cost 0.53'; empty where none were."""
    if spent == Spending():
        return ""
    cost = f", cost {price.of(spent):,.2f}" if price is not None else ""
    return (
        f"{before}{spent.answers:,} answers of the server, {spent.prompt_tokens:,} tokens asked and "
        f"{spent.completion_tokens:,} answered{cost}"
    )


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>Catalogue</title>
<style>
body {{ font-family: system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; line-height: 1.5; }}
table {{ border-collapse: collapse; margin: 1.5rem 0; }}
caption {{ text-align: left; font-weight: bold; padding: 0.3rem 0; }}
th, td {{ border-bottom: 1px solid #767676; padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }}
tbody th {{ font-weight: normal; overflow-wrap: anywhere; min-width: 12rem; }}
.failed td, .failed th {{ background: #fde8e8; color: #5c0b0b; }}
</style>
</head>
<body>
<h1>Catalogue</h1>
<p>{summary}</p>
<table><caption>{caption}</caption>
<thead><tr>{heads}</tr></thead>
<tbody>{body}</tbody></table>
</body>
</html>
"""
