"""`calvin model`: what a model is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from calvin.cli.console import say

if TYPE_CHECKING:
    from calvin.captioners.calvin import Calvin

app = typer.Typer(help="Look into models.", no_args_is_help=True)

TRAINED = {
    "vision tower": "frozen; pre-trained by itself",
    "projector": "stage 1; stage 2",
    "language model": "stage 2, through LoRA; pre-trained by itself",
}


@app.callback()
def group() -> None:
    """Look into models."""


@app.command("info")
def info(
    model: Annotated[
        str | None, typer.Argument(help="Model folder, hub id or bundled name.", show_default="bundled")
    ] = None,
) -> None:
    """Show a model's parts, their parameters, when each is trained, and its card.

    Examples:

        calvin model info

        calvin model info runs/micro/model
    """
    from calvin.captioners.calvin import Calvin

    for line in describe(Calvin.from_pretrained(model, device="cpu")):
        say(line)


def describe(calvin: Calvin) -> list[str]:
    """A line a part, and what else there is to know."""
    model, config = calvin.model, calvin.model.config
    parts = {"vision tower": model.vision_tower, "projector": model.projector, "language model": model.language_model}
    rows = [
        (name, sum(p.numel() for p in part.parameters()) if part is not None else 0, _kind(part))
        for name, part in parts.items()
    ]
    total = sum(count for _, count, _ in rows)
    lines = [f"{calvin.name} ({calvin.fingerprint[:12]}): {total:,} parameters"]
    for name, count, kind in rows:
        trained = TRAINED[name] if count else "not inside; it works from stored features"
        lines.append(f"  {name:<15} {count:>14,}  {kind:<28} {trained}")
    lines += [
        f"Encoder: {config.encoder_id} ({config.encoder_hash[:12] or 'no hash'}), {config.image_embed_dim} wide",
        f"Visual tokens: {config.num_query_tokens}, from at most {config.max_frames} frames",
        f"Footage it knows: {calvin.world.description if calvin.world else 'not stated'}",
    ]
    return lines + (["", calvin.card] if calvin.card else [])


def _kind(part: object) -> str:
    return type(part).__name__ if part is not None else "-"
