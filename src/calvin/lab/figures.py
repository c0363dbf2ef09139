"""The figures of a model on puppet films: what it sees and which names it gives, next to what guessing would give."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from calvin.captioners.calvin import Calvin
from calvin.core.errors import MissingExtraError
from calvin.core.package import bundled_cast, bundled_film
from calvin.core.progress import Listener, silent
from calvin.core.text_tables import markdown_table
from calvin.core.time import Span, format_timecode
from calvin.core.types import FPS, FRAME_SIZE, Cue, CueKind
from calvin.encode.vectors import make_features
from calvin.evaluation.metrics import BertScore, CiderD, RougeL
from calvin.lab.adapt_films import draw_portraits
from calvin.lab.evaluation_sets import PUPPET_SIZES, PUPPETS, cache_folder, draw_fresh_puppets, draw_puppet_eval
from calvin.lab.material import read_truth_scenes, truth_score
from calvin.lab.model_card import save_evaluation
from calvin.lab.truth_scoring import CONDITIONS, CONTROLS, LOOKS, OWN, TruthRow, TruthScene, evaluate_truth
from calvin.media.film.sampling import iter_clip_frames
from calvin.puppets.lexicon import ACTION_BY_KEY, ACTIONS, NAMES
from calvin.puppets.tell.curriculum import is_introduced, make_drill
from calvin.puppets.tell.screenplay import make_film
from calvin.puppets.truth import action_of, names_in
from calvin.studio.cast.scene_cast import portrait_looks
from calvin.studio.describe.films import describe
from calvin.training.small.language import encode_marked, marked_accuracy

EVERY_CONDITION = (*CONDITIONS, *OWN, *LOOKS, *CONTROLS)
_ALL = {condition.name: condition for condition in EVERY_CONDITION}
_ASPECTS = ("action", "names_exact", "wrong_name", "place", "prop")


@dataclass(frozen=True)
class Figures:
    """Tables by title: column heads, and rows of text that each begin with a label."""

    tables: dict[str, tuple[tuple[str, ...], list[tuple[str, ...]]]] = field(default_factory=dict)

    def add(self, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.tables[title] = (tuple(heads), [tuple(row) for row in rows])

    def markdown(self) -> str:
        parts = (f"### {title}\n\n{markdown_table(*table)}\n" for title, table in self.tables.items())
        return "\n".join(parts)


def percent(marks: Sequence[Any]) -> str:
    """The mean of the marks that apply, in percent, and how many they are."""
    applying = [float(mark) for mark in marks if mark is not None]
    return f"{100 * sum(applying) / len(applying):.1f} ({len(applying)})" if applying else "-"


def truth_figures(rows: Sequence[TruthRow], items: Sequence[TruthScene]) -> Figures:
    """All tables that need nothing but the captions and the truth."""
    marks = {
        row.condition: [truth_score(text, item.truth) for text, item in zip(row.captions, items, strict=True)]
        for row in rows
    }
    captions = {row.condition: row.captions for row in rows}
    figures = Figures()
    moving = [ACTION_BY_KEY[item.truth.action].motion for item in items]
    table = []
    for condition, scored in marks.items():
        half = [score["action"] for score, motion in zip(scored, moving, strict=True) if motion]
        cells = [percent([score[aspect] for score in scored]) for aspect in _ASPECTS]
        table.append([condition, cells[0], percent(half), *cells[1:], *_given(captions[condition], items)])
    figures.add(
        "Percent of scenes (and of how many)",
        (
            *("given", "action", "action, motion half", "names exact", "wrong name", "place, where named", "prop"),
            *("of the names given right", "of those present named"),
        ),
        table,
    )
    _add_names(figures, rows, items, marks)
    _add_roles(figures, items, marks)
    return figures


def _given(captions: Sequence[str], items: Sequence[TruthScene]) -> tuple[str, str]:
    """Of all names in the captions how many are of people there, and of all people there how many are named."""
    pairs = [(names_in(text, NAMES), set(item.truth.present)) for text, item in zip(captions, items, strict=True)]
    right = [name in present for named, present in pairs for name in sorted(named)]
    return percent(right), percent([name in named for named, present in pairs for name in sorted(present)])


def context_names_everyone(item: TruthScene, count: int) -> bool:
    """Whether the `count` captions before tie everybody on screen to a coat."""
    context = item.previous[-count:]
    return all(is_introduced(name, item.truth.looks[name].coat, context) for name in item.truth.present)


def _add_names(
    figures: Figures, rows: Sequence[TruthRow], items: Sequence[TruthScene], marks: Mapping[str, Sequence[Any]]
) -> None:
    """Names from a context that gives them, next to three ways to guess. Each guess knows how many people there are."""
    table = []
    for row in rows:
        count = _ALL[row.condition].context
        # What the model was given: its own captions tell fewer than the references do.
        given = row.contexts or [item.previous for item in items]
        told = [replace(item, previous=context) for item, context in zip(items, given, strict=True)]
        chosen = [i for i, item in enumerate(told) if count and context_names_everyone(item, count)]
        if not count or not chosen:
            continue
        guesses = [[float(guesses_right(name, told[i], count, i)) for i in chosen] for name in GUESSES]
        crowded = [float(len(set(_order(told[i], count))) >= 3) for i in chosen]
        exact = [marks[row.condition][i]["names_exact"] for i in chosen]
        table.append([row.condition, percent(exact), *(percent(guess) for guess in guesses), percent(crowded)])
    heads = ("given", "model", *GUESSES, "contexts that name three or more")
    figures.add("Exact set of names, where the context ties everybody on screen to a look", heads, table)


def _order(item: TruthScene, count: int) -> list[str]:
    """The names in each caption of the context, in order."""
    return [name for caption in item.previous[-count:] for name in sorted(names_in(caption, NAMES), key=caption.index)]


def _random(names: list[str], size: int, seed: int) -> list[str]:
    known = sorted(set(names))
    return list(np.random.default_rng(seed).choice(known, min(size, len(known)), replace=False))


GUESSES: Mapping[str, Callable[[list[str], int, int], list[str]]] = {
    "last names": lambda names, size, _: list(dict.fromkeys(reversed(names)))[:size],
    "most frequent names": lambda names, size, _: [name for name, _ in Counter(names).most_common(size)],
    "random names": _random,
}
"""(names in the order of the context, how many people there are, seed) -> who may be there."""


def guesses_right(guess: str, item: TruthScene, count: int, seed: int) -> bool:
    """Whether one of `GUESSES` finds everybody on screen, from the `count` captions before."""
    present = item.truth.present
    return set(GUESSES[guess](_order(item, count), len(present), seed)) == set(present)


def _add_roles(figures: Figures, items: Sequence[TruthScene], marks: Mapping[str, Sequence[Any]]) -> None:
    """Who of two does it, among the scenes in which exactly the two right names were used, and of all that tell who is
    who: a model that leaves out whom it is not sure of is right in few."""
    table = []
    for condition in ("entities", "3 scenes", "5 scenes", *(condition.name for condition in LOOKS)):
        if condition not in marks:
            continue
        count = _ALL[condition].context
        told = [
            score
            for item, score in zip(items, marks[condition], strict=True)
            if item.truth.patient and (not count or context_names_everyone(item, count))
        ]
        both = [score["agent"] and score["patient"] for score in told]
        table.append([condition, percent([s["agent"] for s in told if s["names_exact"]]), "50.0", percent(both)])
    heads = ("given", "agent right, where both names are", "chance", "both in their roles, of all")
    figures.add("Who of two acts", heads, table)


def word_figures(rows: Sequence[TruthRow], items: Sequence[TruthScene], metrics: Sequence[Any]) -> Figures:
    """Scores against the describer's own words, for those conditions that see the scene's own frames."""
    references = {item.scene.id: [item.scene.caption or ""] for item in items}
    table, names = [], list[str]()
    for row in rows:
        if _ALL[row.condition].frames == "own":
            captions = {item.scene.id: text or "." for item, text in zip(items, row.captions, strict=True)}
            scores = [metric.score(captions, references) for metric in metrics]
            names = [score.name for score in scores]
            table.append([row.condition, *(f"{score.points:.1f}" for score in scores)])
    figures = Figures()
    figures.add("Against the describer's words", ("given", *names), table)
    return figures


def cues_beside_truth(cues: Sequence[Cue], scenes: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """A row per cue on what is seen: when, what it says, the caption of the scene that it saw most of, whether the
    action is right. What is read on the screen has no action."""
    rows = list[tuple[str, ...]]()
    for cue in cues:
        if cue.kind is not CueKind.PICTURE:
            continue
        scene = max(scenes, key=lambda row: cue.visual.overlap_ms(Span(row["start_ms"], row["end_ms"])))
        right = "yes" if action_of(cue.text) == scene["action"] else "no"
        rows.append((format_timecode(cue.span.start_ms), cue.text, scene["caption"], right))
    return rows


def import_pyplot() -> Any:
    """matplotlib, which draws into files only.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError("Drawing the confusion of actions", "train") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def draw_confusion(row: TruthRow, items: Sequence[TruthScene], path: Path) -> None:
    """A picture of which action was described as which. The last column is for captions with none or several."""
    pyplot = import_pyplot()
    keys = [action.key for action in ACTIONS]
    counts = np.zeros((len(keys), len(keys) + 1))
    for caption, item in zip(row.captions, items, strict=True):
        described_as = action_of(caption)
        counts[keys.index(item.truth.action), keys.index(described_as) if described_as else len(keys)] += 1
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, axis = pyplot.subplots(figsize=(9, 8.4), layout="constrained")
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(len(keys) + 1), [*keys, "none"], rotation=90, fontsize=8)
    axis.set_yticks(range(len(keys)), keys, fontsize=8)
    axis.set(
        xlabel="described", ylabel="true", title=f"Actions, given {row.condition}: share of the true action's scenes"
    )
    figure.colorbar(image, shrink=0.6)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def model_figures(
    captioner: Calvin,
    tower: Path,
    out: Path,
    limit: int | None = None,
    real: Sequence[Path] = (),
    listener: Listener = silent,
    seed: int | None = None,
) -> str:
    """Every figure of a model's card as Markdown. The captions and the picture of confusions are left in `out`.

    Args:
        tower: the folder of the model's vision tower.
        limit: use only this many films, the first ones.
        real: films that are not of the puppet world, on which the notice about unknown footage should appear.
        seed: of films drawn anew; None: the fixed ones.

    Raises:
        MissingExtraError: a metric or the drawing needs a package that is not installed.
    """
    # First what may be missing, then what takes long.
    metrics = [BertScore.offline(), CiderD(), RougeL()]
    import_pyplot()
    drawn = draw_puppet_eval if seed is None else partial(draw_fresh_puppets, seed)
    name = PUPPETS if seed is None else f"puppets-{seed}"
    mad = drawn(cache_folder() / name, listener).folder
    path = out / f"features-{name}-{captioner.encoder.hash[:12]}.h5"
    if not path.is_file():
        make_features(mad / "videos", str(tower), path, listener=listener)
    items, films = read_truth_scenes(mad, path, captioner.max_frames)
    if limit is not None:
        kept = list(dict.fromkeys(item.truth.film for item in items))[:limit]
        items, films = [item for item in items if item.truth.film in kept], films[:limit]
    items = with_cast_looks(captioner, items)
    rows = evaluate_truth(captioner, items, truth_score, EVERY_CONDITION, listener)
    save_evaluation(out / "captions.json", rows)
    figures = truth_figures(rows, items)
    words = word_figures(rows, items, metrics)
    draw_confusion(rows[0], items, out / "confusion.png")
    _add_notices(words, captioner, films, real)
    _add_lookups(words, captioner)
    _add_bundled(words, captioner)
    drawn_from = "" if seed is None else f", drawn from seed {seed}"
    return f"{len(items)} scenes of {len(films)} films{drawn_from}.\n\n{figures.markdown()}\n{words.markdown()}"


def with_cast_looks(captioner: Calvin, items: Sequence[TruthScene]) -> list[TruthScene]:
    """The scenes with the looks of their film's cast, by the captions of three portraits each that are not of it."""
    looks = {}
    for film in dict.fromkeys(item.truth.film for item in items):
        split, _, seed = film.rpartition("_")
        drawn = make_film(int(seed), PUPPET_SIZES.scenes, split=split, talk=PUPPET_SIZES.talk)
        looks[film] = portrait_looks(captioner, draw_portraits(drawn, captioner))
    return [replace(item, portraits=looks[item.truth.film]) for item in items]


def _add_notices(figures: Figures, captioner: Calvin, films: list[np.ndarray], real: Sequence[Path]) -> None:
    """How often the notice about unknown footage appears: on puppet films, given as [T, D], and on real ones."""
    known = [captioner.notice(embeds) is not None for embeds in films]
    rows = [("puppet films", f"{sum(known)} of {len(known)}")]
    for path in real:
        frames = np.stack([rgb for _, rgb in iter_clip_frames(path, FPS, FRAME_SIZE)])
        rows.append((path.name, str(int(captioner.notice(captioner.encode_frames(frames)) is not None)) + " of 1"))
    figures.add("Notice that the footage is unlike what the model knows", ("footage", "appears"), rows)


def _add_lookups(figures: Figures, captioner: Calvin, texts: int = 256) -> None:
    """What the language model does in text alone, on casts whose pairings were never trained on."""
    rng = np.random.default_rng(77)
    rows = []
    for kind in ("seen_prompt", "seen_prompt_5", "entities"):
        drills = [make_drill(kind, rng, "heldout") for _ in range(texts)]
        batches = [encode_marked(captioner.processor.tokenizer, drills[i : i + 32]) for i in range(0, texts, 32)]
        right = [marked_accuracy(captioner.model.language_model, batch) for batch in batches]
        rows.append((kind, f"{100 * float(np.mean(right)):.1f}"))
    figures.add("Names that the text gives away, found by the language model alone", ("text", "percent right"), rows)


def _add_bundled(figures: Figures, captioner: Calvin) -> None:
    """Every cue of the bundled film next to what its describer wrote, described without its cast and with it."""
    film, subtitles = bundled_film()
    truth = json.loads(film.with_suffix(".truth.json").read_text(encoding="utf-8"))["scenes"]
    # Both times in one project, so that the film is decoded once.
    with TemporaryDirectory() as name:
        for given, cast in (("without its cast", None), ("with its cast", bundled_cast())):
            cues = describe(film, subtitles, captioner, out_dir=Path(name) / "project", cast=cast).script.cues
            rows = cues_beside_truth(cues, truth)
            right = sum(row[-1] == "yes" for row in rows)
            title = f"The bundled film {given}: the action is right in {right} of {len(rows)} cues"
            figures.add(title, ("at", "the model", "its describer", "action right"), rows)
