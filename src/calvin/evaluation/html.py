"""Pages in one file that nothing outside can change: every text is escaped, scripts and styles are known by hash."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

_HERE = Path(__file__)


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: str | Markup, **attributes: str | bool) -> Markup:
    """An element; children that are no `Markup` are escaped. `class_` is class, `data_id` data-id, True a bare name."""
    words = [name]
    for key, value in attributes.items():
        label = key.rstrip("_").replace("_", "-")
        if value is True:
            words.append(label)
        elif value is not False:
            words.append(f'{label}="{escape(value)}"')
    body = "".join(child if isinstance(child, Markup) else escape(child) for child in children)
    return Markup(f"<{' '.join(words)}>" if name in ("img", "input", "meta") else f"<{' '.join(words)}>{body}</{name}>")


def join(*parts: str) -> Markup:
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def picture(jpeg: bytes | None, words: str) -> Markup:
    """A still inside the page, or a placeholder that says there is none."""
    if jpeg is None:
        return tag("div", "no pictures", class_="blank")
    return tag("img", src=f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}", alt=words, loading="lazy")


def table(caption: str, header: list[str], rows: Sequence[Sequence[str]]) -> Markup:
    """A table whose first column names the rows; columns of numbers stand to the right."""
    first = rows[0] if rows else header
    kinds = ["number" if re.match(r"[-+]?\d+(\.\d+)?\b(?!\w)", cell) and len(cell) < 20 else "words" for cell in first]
    head = tag("tr", *(tag("th", cell, scope="col", class_=kind) for cell, kind in zip(header, kinds, strict=True)))
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(tag("td", cell, class_=kind) for cell, kind in zip(row[1:], kinds[1:], strict=True)),
        )
        for row in rows
    ]
    return tag("div", tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body)), class_="scroll")


def page(title: str, *body: Markup) -> str:
    """A whole page. Its policy lets only our own style and script run, and loads nothing."""
    style, script = (_HERE.with_name(f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'"
    )
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(style)),
    )
    main = tag("body", tag("h1", title), *body, tag("script", Markup(script)))
    return f"<!doctype html>\n{tag('html', tag('head', head), main, lang='en')}\n"


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
