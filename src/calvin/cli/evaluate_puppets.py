"""`calvin evaluate-puppets MODEL`: every figure that a model's card states, on fixed held-out puppet films."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from calvin.cli.captioner import YES, opening
from calvin.cli.console import ProgressView, say, warn


def evaluate_puppets(
    model: Annotated[str | None, Argument(help="Model folder or bundled name.", show_default="bundled")] = None,
    out: Annotated[Path, Option("--out", "-o", help="Folder for figures.md, captions and the picture.")] = Path(
        "runs/evaluate-puppets"
    ),
    limit: Annotated[int | None, Option(help="Use only this many films, the first ones.", min=2)] = None,
    seed: Annotated[
        int | None, Option(help="Draw ten other films from this seed.", show_default="the fixed ones", min=0)
    ] = None,
    test: Annotated[
        bool, Option("--test", help="Draw ten films from a seed made of the weights: the model's test set.")
    ] = False,
    real: Annotated[
        list[Path] | None, Option(help="A real film, on which the notice should appear; repeatable.")
    ] = None,
    card: Annotated[bool, Option("--card", help="Write figures and picture into the model's card too.")] = False,
    yes: YES = False,
) -> None:
    """Score a model on 25 held-out puppet films, against what happens and against the describer's words.

    The films are drawn from their seeds and checked by hash. Recipes were chosen by their figures, so they are a
    development set; --test draws films that nobody can have looked at before the model was done. Controls show what is
    seen and what is guessed: another scene's frames, the middle frame repeated, frames out of order; for names, three
    ways to guess them. Context is given from the describer's words, and from the model's own, as it is where a film is
    described.

    Examples:

        calvin evaluate-puppets

        calvin evaluate-puppets runs/mini/model --real holiday.mp4 --card

        calvin evaluate-puppets --test
    """
    from calvin.captioners.calvin import Calvin
    from calvin.captioners.hub import find_model
    from calvin.core.errors import UsageError
    from calvin.core.files import write_text
    from calvin.lab.evaluation_sets import test_seed
    from calvin.lab.figures import model_figures
    from calvin.lab.model_card import DEVELOPMENT, TEST, add_figures

    if (card and seed is not None) or (test and seed is not None):
        raise UsageError("--seed goes neither with --test, which has its own, nor with --card.")
    folder = find_model(model, opening(yes).agree)
    if test:
        seed = test_seed(folder)
    captioner = Calvin.from_pretrained(folder)
    with ProgressView() as progress:
        figures = model_figures(captioner, folder, out, limit, real or (), progress, seed)
    write_text(out / "figures.md", figures)
    if card:
        picture, heading = (None, TEST) if test else (out / "confusion.png", DEVELOPMENT)
        add_figures(folder, figures, picture, heading)
    say(figures)
    warn(f"Written to {out / 'figures.md'}, with the confusion of actions in {out / 'confusion.png'}.")
