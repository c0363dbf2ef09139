"""`calvin model`: what a model is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument

from calvin.cli.captioner import YES, opening
from calvin.cli.console import say

if TYPE_CHECKING:
    from calvin.captioners.calvin import Calvin

app = typer.Typer(help="Look into models.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Look into models."""


@app.command("info")
def info(
    model: Annotated[str | None, Argument(help="Model folder, hub id or bundled name.", show_default="bundled")] = None,
    yes: YES = False,
) -> None:
    """Show a model's parts, their parameters, when each is trained, and its card.

    Examples:

        calvin model info

        calvin model info runs/micro/model
    """
    from calvin.captioners.calvin import Calvin

    for line in describe(Calvin.from_pretrained(model, device="cpu", agree=opening(yes).agree)):
        say(line)


def describe(calvin: Calvin) -> list[str]:
    """One line per part, then the encoder, the frames and the footage that it knows."""
    from calvin.model.tuning import describe_model

    config, rows = calvin.model.config, describe_model(calvin.model)
    total = sum(row.parameters for row in rows)
    lines = [f"{calvin.name} ({calvin.fingerprint[:12]}): {total:,} parameters"]
    lines += [f"  {row.part:<20} {row.parameters:>14,}  {row.trained_in}" for row in rows]
    if calvin.model.vision_tower is None:
        lines.append("  No vision tower inside: it works from stored features.")
    return [
        *lines,
        f"Encoder: {config.encoder_id} ({config.encoder_hash[:12] or 'no hash'}), {config.image_embed_dim} wide",
        f"Visual tokens: {config.num_query_tokens}, from at most {config.max_frames} frames",
        f"Footage it knows: {calvin.world.description if calvin.world else 'not stated'}",
        *(["", calvin.card] if calvin.card else []),
    ]
