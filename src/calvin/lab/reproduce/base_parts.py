"""What all runs on puppet films share: the frozen parts, the drawn training data, and the data file that names them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from calvin.core.files import atomic_folder, write_text
from calvin.core.progress import Listener, silent
from calvin.data import SourceConfig
from calvin.lab.material import PuppetMaterial
from calvin.lab.reproduce.work_shares import awaited
from calvin.model import load_calvin, load_vision_tower
from calvin.training.steps import WorldConfig

WORLD = WorldConfig(seed=40, films=300, clips=3000, images=2000, conversations=400, heldout_films=1, tower_images=1)
"""Training films that no recipe of `calvin train` draws; tower and language model are not made from it."""
FILE = "data.toml"
_SOURCES = {"mad": ("mad",), "webvid": ("webvid",), "cc": ("cc3m", "cc12m"), "llava": ("llava",)}
"""What puppets stand for: the material's sources, by the names that the paper's recipes mix. Stages 1 and 2 caption
the same images, which the paper takes from two editions of one collection."""


def make_base(folder: Path, model: Path, world: WorldConfig = WORLD, listener: Listener = silent) -> Path:
    """The data file in `folder`, made with everything that it names unless it is there: tower and language model of a
    model that was trained on puppets, drawn films, clips, images and conversations, and their frame vectors.

    Args:
        model: the folder of a model that holds its vision tower, such as the bundled one.
    """
    path = folder / FILE
    with awaited(folder):
        if path.is_file():
            return path
        _parts(folder, model)
        material = PuppetMaterial(world, folder / "world", listener, workers=1)
        configs = {config.name: config for config in material.source_configs(folder / "tower", listener)}
        tables = [_table(name, configs[drawn], folder) for drawn, names in _SOURCES.items() for name in names]
        head = '[model]\nlanguage = "language"\nvision = "tower"\n'
        # Last: a folder that has it has everything.
        write_text(path, "\n".join([head, *tables]))
    return path


def _parts(folder: Path, model: Path) -> None:
    if not (folder / "tower").is_dir():
        with atomic_folder(folder / "tower") as temporary:
            parts: tuple[Any, Any] = load_vision_tower(model)
            for part in parts:
                part.save_pretrained(temporary)
    if not (folder / "language").is_dir():
        loaded, processor = load_calvin(model)
        with atomic_folder(folder / "language") as temporary:
            language: Any = loaded.language_model
            language.float().save_pretrained(temporary)
            processor.tokenizer.save_pretrained(temporary)


def _table(name: str, config: SourceConfig, folder: Path) -> str:
    def place(path: Path) -> str:
        return Path(os.path.relpath(path, folder)).as_posix()

    return (
        f'[[sources]]\nname = "{name}"\nformat = "{config.format}"\nannotations = "{place(Path(config.annotations))}"\n'
        f'features = "{place(Path(config.features))}"\n'
    )
