"""`calvin evaluate-puppets MODEL`: every figure that a model's card states, on fixed held-out puppet films."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from calvin.cli.captioner import YES, opening
from calvin.cli.console import ProgressView, say

if TYPE_CHECKING:
    import numpy as np

    from calvin.captioners.calvin import Calvin
    from calvin.lab.figures import Figures


def evaluate_puppets(
    model: Annotated[
        str | None, typer.Argument(help="Model folder or bundled name.", show_default="the bundled model")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for figures.md, captions and the picture.")] = Path(
        "runs/evaluate-puppets"
    ),
    limit: Annotated[int | None, typer.Option(help="Only the first so many films.", min=2)] = None,
    real: Annotated[
        list[Path] | None, typer.Option(help="A real film or clip, on which the notice should appear; repeatable.")
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Write the figures and the picture into the model's card too.")
    ] = False,
    yes: YES = False,
) -> None:
    """Score a model on 25 held-out puppet films, against what happens and against the describer's words.

    The films are drawn anew from their seeds and checked by hash. Controls show what is seen and what is guessed:
    another scene's frames, the middle frame repeated, frames out of order; for names, three ways to guess them.

    Examples:

        calvin evaluate-puppets

        calvin evaluate-puppets runs/mini/model --real holiday.mp4 --card
    """
    from calvin.captioners.calvin import Calvin, find_model
    from calvin.core.files import write_text
    from calvin.lab.model_card import add_figures

    folder = find_model(model, opening(yes).agree)
    captioner = Calvin.from_pretrained(folder)
    figures = _figures(captioner, str(folder), out, limit, real or [])
    write_text(out / "figures.md", figures)
    if card:
        add_figures(folder, figures, out / "confusion.png")
    say(figures)
    say(f"Written to {out / 'figures.md'}, with the confusion of actions in {out / 'confusion.png'}.")


def _figures(captioner: Calvin, tower: str, out: Path, limit: int | None, real: list[Path]) -> str:
    from calvin.encode.features import make_features
    from calvin.evaluation.metrics import BertScore, CiderD, RougeL
    from calvin.lab.evaluation_sets import cache_folder
    from calvin.lab.figures import draw_confusion, truth_figures, word_figures
    from calvin.lab.material import read_truth_scenes, truth_score
    from calvin.lab.model_card import save_evaluation
    from calvin.lab.puppet_eval_set import draw_puppet_eval
    from calvin.lab.truth_scoring import CONDITIONS, CONTROLS, evaluate_truth

    # First what may be missing, then what takes long.
    metrics = [BertScore.offline(), CiderD(), RougeL()]
    with ProgressView() as progress:
        mad = draw_puppet_eval(cache_folder() / "puppet-eval", progress).folder
        path = out / f"features-{captioner.encoder.hash[:12]}.h5"
        if not path.is_file():
            make_features(mad / "videos", tower, path, listener=progress)
        items, films = read_truth_scenes(mad, path, captioner.max_frames)
        if limit is not None:
            kept = list(dict.fromkeys(item.truth.film for item in items))[:limit]
            items, films = [item for item in items if item.truth.film in kept], films[:limit]
        rows = evaluate_truth(captioner, items, truth_score, (*CONDITIONS, *CONTROLS), progress)
        save_evaluation(out / "captions.json", rows)
        figures = truth_figures(rows, items)
        words = word_figures(rows, items, metrics)
        draw_confusion(rows[0], items, out / "confusion.png")
        _add_notices(words, captioner, films, real)
        _add_lookups(words, captioner)
        _add_bundled(words, captioner)
    return f"{len(items)} scenes of {len(films)} films.\n\n{figures.markdown()}\n{words.markdown()}"


def _add_notices(figures: Figures, captioner: Calvin, films: list[np.ndarray], real: list[Path]) -> None:
    """How often the notice for unknown footage appears, on films of the world and on real ones."""
    import numpy as np

    from calvin.core.types import FPS, FRAME_SIZE
    from calvin.media import iter_clip_frames

    known = [captioner.notice(embeds) is not None for embeds in films]
    rows = [("puppet films", f"{sum(known)} of {len(known)}")]
    for path in real:
        frames = np.stack([rgb for _, rgb in iter_clip_frames(path, FPS, FRAME_SIZE)])
        rows.append((path.name, str(int(captioner.notice(captioner.encode_frames(frames)) is not None)) + " of 1"))
    figures.add("Notice that the footage is unlike what the model knows", ("footage", "appears"), rows)


def _add_lookups(figures: Figures, captioner: Calvin, texts: int = 256) -> None:
    """What the language model does in text alone, on casts whose pairings were never trained on."""
    import numpy as np

    from calvin.puppets.tell.curriculum import make_drill
    from calvin.training.small.language import encode_marked, marked_accuracy

    rng = np.random.default_rng(77)
    rows = []
    for kind in ("seen_prompt", "seen_prompt_5", "entities"):
        drills = [make_drill(kind, rng, "heldout") for _ in range(texts)]
        batches = [encode_marked(captioner.processor.tokenizer, drills[i : i + 32]) for i in range(0, texts, 32)]
        right = [marked_accuracy(captioner.model.language_model, batch) for batch in batches]
        rows.append((kind, f"{100 * float(np.mean(right)):.1f}"))
    figures.add("Names that the text gives away, told by the language model alone", ("text", "percent right"), rows)


def _add_bundled(figures: Figures, captioner: Calvin) -> None:
    """What is said of the bundled film, every cue of it, beside what its describer wrote."""
    from calvin.cli.demo import bundled_film
    from calvin.lab.figures import tell_beside_truth
    from calvin.studio.describe.films import describe

    film, subtitles = bundled_film()
    truth = json.loads(film.with_suffix(".truth.json").read_text(encoding="utf-8"))["scenes"]
    with TemporaryDirectory() as name:
        cues = describe(film, subtitles, captioner, out_dir=Path(name) / "project").script.cues
    rows = tell_beside_truth(cues, truth)
    right = sum(row[-1] == "yes" for row in rows)
    title = f"The bundled film: the action is right in {right} of {len(rows)} cues"
    figures.add(title, ("at", "the model", "its describer", "action right"), rows)
