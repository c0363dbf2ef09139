"""`calvin data regularisation`: scenes of other films without names, for `calvin adapt`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from calvin.cli.captioner import YES, opening
from calvin.cli.console import ProgressView, say
from calvin.core.errors import UsageError
from calvin.core.progress import Listener

PUPPETS = "puppets"
_FILMS = 40


def regularisation(
    annotations: Annotated[
        str, typer.Argument(help="Annotations of a training set, or `puppets`.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write.", show_default="ENCODER.safetensors")
    ] = None,
    format: Annotated[str, typer.Option("--format", "-f", help="mad, lsmdc, cmd-ad, tv-ad, webvid.")] = "mad",
    features: Annotated[Path | None, typer.Option("--features", help="Frame vectors of the films.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The CALVIN to adapt; puppets.", show_default="bundled")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="Who made features that do not say so.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=2, help="Scenes.")] = 200,
    frames: Annotated[int, typer.Option(min=1, max=32, help="Frames a scene at most.")] = 12,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    yes: YES = False,
) -> None:
    """Draw scenes of films that are not the one to adapt to, and take the names out of their captions (section 5.2).

    The file belongs to one vision encoder and is named by it. `puppets` draws puppet films for the model given.

    Examples:

        calvin data regularisation mad/train.csv --format mad --features mad.h5 -o regularisation.safetensors

        calvin data regularisation puppets --model runs/mini/model
    """
    from calvin.captioners.calvin import find_model
    from calvin.data import FeatureStore, SourceConfig, read_samples
    from calvin.data.entities import EntityStripper
    from calvin.data.readers.registry import resolve_format
    from calvin.data.regularisation import file_name, write_regularisation

    with tempfile.TemporaryDirectory() as folder, ProgressView() as progress:
        names: list[str] = []
        if annotations == PUPPETS:
            path, features, names = _puppets(Path(folder), find_model(model, opening(yes).agree), seed, progress)
        else:
            path = Path(annotations)
        if features is None:
            raise UsageError("Give the frame vectors of these films with --features FILE.")
        source = SourceConfig(
            name=path.name, format=resolve_format(format, path), annotations=path, features=features, context=0
        )
        samples = read_samples(source).samples
        stripper = EntityStripper(names, [sample.caption for sample in samples])
        with FeatureStore.open(features, stated_encoder=(encoder, "") if encoder else None) as store:
            identity = (store.encoder_id, store.encoder_hash)
            target = out or Path(file_name(store.encoder_hash or store.encoder_id.replace("/", "-")))
            written = write_regularisation(target, samples, store, identity, stripper, count, frames, seed)
    say(f"{target}: {written} scenes of {identity[0]}, {target.stat().st_size / 2**20:.1f} MiB")


def _puppets(folder: Path, model: Path, seed: int, progress: Listener) -> tuple[Path, Path, list[str]]:
    """Training films of the puppet world: annotations, frame vectors, and the names of all who may be in them."""
    from calvin.encode.vectors import make_features
    from calvin.puppets import NAMES, TRAINING_SIZE, WorldSizes, write_world

    sizes = WorldSizes(
        films=_FILMS, scenes=6, clips=0, images=0, conversations=0, tv_clips=0, picture=TRAINING_SIZE
    )  # fmt: skip
    # Apart from the seeds of recipes, so that a model does not meet its own training films again.
    mad = write_world(folder / "world", 900 + seed, sizes, "train", listener=progress) / "mad"
    features = folder / "features.safetensors"
    make_features(mad / "videos", model, features, listener=progress)
    return mad / "mad.csv", features, list(NAMES)
