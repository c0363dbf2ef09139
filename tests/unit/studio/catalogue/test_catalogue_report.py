"""The page and the table of a catalogue."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser
from pathlib import Path

from calvin.captioners.spending import Price, Spending
from calvin.studio.catalogue.catalogue_report import CatalogueReport, CatalogueRow
from calvin.studio.catalogue.film_journal import FilmResult
from calvin.studio.catalogue.listing import Entry


class Cells(HTMLParser):
    """The texts of a table's cells."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.found.append("")

    def handle_data(self, data: str) -> None:
        if self.found:
            self.found[-1] += data.strip("\n")


def test_words_of_others_are_text_and_sums_are_right(tmp_path: Path) -> None:
    film = Path("/films/=<script>alert(1)</script>.mp4")
    rows = [
        CatalogueRow(
            Entry(film, "a.calvin", seconds=7200.0), "described", FilmResult(7200.0, 40, 2, 0, 360.04, ("A <b>.", "C."))
        ),
        CatalogueRow(
            Entry(Path("/b.mp4"), "b.calvin"), "described before", FilmResult(1800, 1, spent=Spending(2, 10**6, 500))
        ),
        CatalogueRow(Entry(Path("/c.mp4"), problem="It is gone."), "failed", FilmResult(error="It is gone.")),
        CatalogueRow(Entry(Path("/d.mp4"), same_as=film), "the same film"),
        CatalogueRow(Entry(Path("/e.mp4"), "e.calvin", seconds=9.0), "not begun"),
    ]
    report = CatalogueReport(tmp_path, rows, Price(0.5, 100))
    assert report.summary == (
        "2 films described (1 of them before), 1 failed, 1 listed twice, 1 not begun: 2.5 hours of film, 41 cues, "
        "2 answers of the server, 1,000,000 tokens asked and 500 answered, cost 0.55."
    )
    report.write()
    page, table = (path.read_text() for path in report.files)
    parsed = Cells()
    parsed.feed(page)
    assert not parsed.tags & {"script", "b"}
    lines = list(csv.reader(io.StringIO(table)))
    assert lines[0][-1] == "what to know"
    assert lines[1] == [str(film), "a.calvin", "described", "7200.0", "40", "2", "360.0", "0", "0", "0", "0.0000",
                        "A <b>. C."]  # fmt: skip
    assert lines[2][7:11] == ["2", "1000000", "500", "0.5500"]
    assert lines[4][-1] == f"It is the same film as {film}, which is described once."
    # The page has paths from the folder that all films lie in, the table those from the root.
    assert "<caption>Films in /</caption>" in page
    assert parsed.found == [cell for film, *rest in lines for cell in (film.removeprefix("/"), *rest)]
    plain = CatalogueReport(tmp_path, rows[:1]).page()
    assert "tokens" not in plain
