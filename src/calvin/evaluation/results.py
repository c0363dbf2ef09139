"""The folder of an evaluation: everything needed to score, show and compare it again without the model.

run.json        system, protocol card, notes        scenes.jsonl    scenes with references, names, truth
captions.jsonl  captions as they came               pictures/       one strip of stills per scene
scores.json     all measures, values by scene       scores.csv, scenes.csv, predictions.csv, references.csv
report.html     worst scenes first
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import TypeAdapter

from calvin.captioners.decoding import CaptionDecoding
from calvin.core.errors import ConfigError, DataError, UsageError
from calvin.core.files import write_json, write_text
from calvin.core.progress import Listener, Stage, silent
from calvin.core.text_tables import csv_text
from calvin.core.types import Frame
from calvin.evaluation.metrics import Pairs
from calvin.evaluation.names import NameList
from calvin.evaluation.protocol import ProtocolCard
from calvin.evaluation.scenes import Captioned, CaptionStore
from calvin.evaluation.scoring import LOWER_IS_BETTER, TRUTH, Measure, Scores
from calvin.media.film.frames import FrameStore, FrameWriter

FORMAT = "calvin-evaluation-1"
STRIP = 4
"""Stills per scene in reports."""
_STRIP_HEIGHT = 96


@dataclass(frozen=True, slots=True)
class EvaluatedScene:
    """A scene as reports know it. `truth` is the structured truth where there is any, as its source wrote it."""

    id: str
    movie: str
    start_ms: int | None
    end_ms: int | None
    references: tuple[str, ...]
    names: tuple[str, ...] = ()
    truth: Mapping[str, Any] | None = None


_SCENE = TypeAdapter(EvaluatedScene)


@dataclass
class Results:
    """One system's captions of one set, with its card and scores. `folder` None: it came from caption files."""

    system: dict[str, str]
    card: ProtocolCard
    scenes: list[EvaluatedScene]
    captions: dict[str, Captioned]
    scores: Scores = field(default_factory=lambda: Scores(()))
    names: NameList | None = None
    notes: list[str] = field(default_factory=list)
    folder: Path | None = None

    @property
    def name(self) -> str:
        """The system and the context it was given, 'calvin-mini, 3'."""
        return ", ".join(filter(None, (self.system["name"], self.system.get("context", ""))))

    @property
    def pairs(self) -> Pairs:
        """Raises: DataError where captions are missing."""
        missing = [scene.id for scene in self.scenes if scene.id not in self.captions]
        if missing:
            raise DataError(
                f"{len(missing)} of {len(self.scenes)} scenes have no caption yet (such as {missing[0]}): give the "
                "same `calvin evaluate` again to continue."
            )
        ids = tuple(scene.id for scene in self.scenes)
        return Pairs(ids, tuple(self.captions[key].text for key in ids), tuple(s.references for s in self.scenes))

    @property
    def movies(self) -> dict[str, str]:
        return {scene.id: scene.movie for scene in self.scenes}

    def strip(self, index: int) -> bytes | None:
        """The JPEG strip of a scene's stills."""
        if self.folder is None or not (self.folder / "pictures").is_dir():
            return None
        jpeg = FrameStore.open(self.folder / "pictures").jpeg(index)
        return jpeg if Image.open(io.BytesIO(jpeg)).size != (1, 1) else None


def claim(results: Results) -> None:
    """Make the folder this evaluation's own.

    Raises:
        UsageError: it holds another one.
    """
    folder = results.folder
    assert folder is not None
    if (folder / "run.json").is_file():
        held, ours = _read(folder / "run.json"), _run(results)
        held["card"] = _completed(held.get("card") or {})
        changed = [key for key in ("system", "card") if _pinned(held.get(key)) != _pinned(ours[key])]
        if changed:
            raise UsageError(f"{folder} holds an evaluation with another {' and '.join(changed)}: give another --out.")
        return
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(asdict(scene), ensure_ascii=False) + "\n" for scene in results.scenes)
    write_text(folder / "scenes.jsonl", "".join(lines))
    write_json(folder / "run.json", _run(results))


def refuse_other(folder: Path, system: Mapping[str, str], facts: Mapping[str, str]) -> None:
    """See, before scenes are drawn or decoded, that a folder is free for an evaluation or holds this very one.

    Args:
        facts: fields of the protocol card that are known so far.

    Raises:
        UsageError: a file is in its place, or it holds another evaluation.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: give --out a folder.")
    if not (folder / "run.json").is_file():
        return
    held = _read(folder / "run.json")
    card = _completed(held.get("card") or {})
    changed = ["system"] if held.get("system") != dict(system) else []
    changed += ["card"] if any(card.get(name) != value for name, value in facts.items()) else []
    if changed:
        raise UsageError(f"{folder} holds an evaluation with another {' and '.join(changed)}: give another --out.")


def _run(results: Results) -> dict[str, Any]:
    names = results.names and {**asdict(results.names), "words": sorted(results.names.words)}
    return {
        "format": FORMAT,
        "system": results.system,
        "card": results.card.model_dump(),
        "names": names,
        "notes": results.notes,
    }


def _completed(card: dict[str, Any]) -> dict[str, Any]:
    """A card of before captions could be searched for in several ways, with what was always done then."""
    if not card.get("beams") or "decoding" in card:
        return {"temperature": "", "decoding": "", **card}
    return {**card, "temperature": "1", "decoding": CaptionDecoding().words}


def _pinned(value: Any) -> Any:
    """What may not change between two runs of one evaluation: all but the metrics' settings, and the cut, which older
    folders do not tell and the references hold fast."""
    return {key: item for key, item in (value or {}).items() if key not in ("bertscore", "judges", "cut")}


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path.parent} is not a folder of results: {path.name} is missing.") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def load_results(folder: Path) -> Results:
    """The results that a folder holds, scores included where it has any.

    Raises:
        DataError: not a folder of results, or damaged.
    """
    run = _read(folder / "run.json")
    if run.get("format") != FORMAT:
        raise DataError(f"{folder} holds results of another form than {FORMAT}: evaluate again.")
    try:
        lines = (folder / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
        scenes = [_SCENE.validate_json(line) for line in lines]
        card = ProtocolCard.load(_completed(run["card"]), folder / "run.json")
        scored = folder / "scores.json"
        scores = TypeAdapter(Scores).validate_python(_read(scored)) if scored.is_file() else Scores(())
        names = TypeAdapter(NameList | None).validate_python(run["names"])
    except (OSError, ValueError, TypeError, KeyError, ConfigError) as error:
        raise DataError(f"The results in {folder} cannot be read: {error}.") from error
    captions = CaptionStore(folder / "captions.jsonl").kept
    return Results(run["system"], card, scenes, captions, scores, names, list(run["notes"]), folder)


def save_pictures(
    folder: Path, count: int, stills: Callable[[int], Sequence[Frame]], listener: Listener = silent
) -> None:
    """One strip of stills for each of `count` scenes; a single pixel for a scene without stills."""
    target = folder / "pictures"
    if (target / "frames.json").is_file():
        return
    stage = Stage("pictures", listener, count, "scenes")
    target.mkdir(parents=True, exist_ok=True)
    with FrameWriter(target, 1.0) as writer:
        for index in range(count):
            writer.add(_strip(stills(index)))
            stage.update(index + 1)


def _strip(frames: Sequence[Frame]) -> np.ndarray:
    """The stills side by side, RGB [height, width, 3]; one grey pixel where there are none."""
    pictures = []
    for frame in frames:
        image = Image.open(io.BytesIO(frame.jpeg)).convert("RGB")
        width = max(1, round(image.width * _STRIP_HEIGHT / image.height))
        pictures.append(np.asarray(image.resize((width, _STRIP_HEIGHT))))
    return np.concatenate(pictures, axis=1) if pictures else np.full((1, 1, 3), 128, np.uint8)


def save_scores(results: Results) -> None:
    """Scores as JSON and CSV, captions and references as CSV, and the card with the metrics' settings."""
    folder, scores = results.folder, results.scores
    assert folder is not None
    run = _run(results)
    write_json(folder / "scores.json", {**run, **asdict(scores)})
    header = ["measure", "pooled", "low", "high", "mean of films", "scale", "comparable", "setting"]
    write_text(folder / "scores.csv", csv_text(header, map(_score_row, scores.measures)))
    texts = [[s.id, s.movie, results.captions[s.id].text] for s in results.scenes]
    write_text(folder / "predictions.csv", csv_text(["id", "movie", "caption"], texts))
    given = [[s.id, s.movie, text] for s in results.scenes for text in dict.fromkeys(s.references)]
    write_text(folder / "references.csv", csv_text(["id", "movie", "reference"], given))
    by_scene = scene_measures(scores)
    rows = [
        [*row, scene.references[0], *(m.values.get(scene.id, "") for m in by_scene)]
        for row, scene in zip(texts, results.scenes, strict=True)
    ]
    names = [m.name for m in by_scene]
    write_text(folder / "scenes.csv", csv_text(["id", "movie", "caption", "reference", *names], rows))
    write_json(folder / "run.json", run)


def _score_row(m: Measure) -> list[object]:
    low, high = (value * m.scale for value in m.interval) if m.interval else ("", "")
    films = "" if m.movie_mean is None else m.movie_mean * m.scale
    return [m.name, m.shown, low, high, films, m.scale, m.comparable, m.setting]


def scene_measures(scores: Scores) -> list[Measure]:
    """The measures that have a value for each scene."""
    return [m for m in scores.measures if m.values and not m.name.startswith("R@")]


def worst_first(results: Sequence[Results]) -> list[int]:
    """Indices of the scenes of (aligned) results, beginning with those at which all systems together did worst."""
    [first, *_] = results
    totals = np.zeros(len(first.scenes))
    for one in results:
        whole = (m for m in scene_measures(one.scores) if all(scene.id in m.values for scene in one.scenes))
        measure = next((m for m in whole if not m.name.startswith(TRUTH) and m.name not in LOWER_IS_BETTER), None)
        if measure is not None:
            totals += [measure.values[scene.id] for scene in one.scenes]
    return [int(index) for index in np.argsort(totals, kind="stable")]


def score_table(scores: Scores) -> str:
    """The setting of each measure, and below them the measures as an aligned table, with numbers in points.

    The figures stand last, where somebody looks for them who pipes them on.
    """
    lines = [f"{m.name}: {m.setting}" for m in scores.measures if not m.name.startswith(TRUTH)]
    if any(not m.comparable for m in scores.measures):
        lines.append("†: not comparable with published numbers")
    return "\n".join([*lines, "", aligned(score_rows(scores))])


def score_rows(scores: Scores) -> list[list[str]]:
    """Header and measures as text: pooled, interval over scenes, mean of films."""
    rows = [["measure", "pooled", "95% interval", "mean of films"]]
    for m in scores.measures:
        low_high = "" if m.interval is None else f"{m.interval[0] * m.scale:.2f} to {m.interval[1] * m.scale:.2f}"
        films = "" if m.movie_mean is None else f"{m.movie_mean * m.scale:.2f}"
        rows.append([m.name + ("" if m.comparable else " †"), f"{m.shown:.2f}", low_high, films])
    return rows


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns, the first column to the left, the others to the right, a rule below the header."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]

    def line(row: Sequence[str]) -> str:
        cells = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        return "  ".join([row[0].ljust(widths[0]), *cells]).rstrip()

    return "\n".join([line(rows[0]), "  ".join("-" * width for width in widths), *map(line, rows[1:])])
