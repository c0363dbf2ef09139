"""Photographs that installed packages carry, as small as the stills of a film."""

from __future__ import annotations

import importlib.metadata

from PIL import Image


def photograph(package: str, name: str, shorter: int = 224) -> Image.Image:
    """A photograph by the name of its file, its shorter side scaled to so many pixels."""
    files = importlib.metadata.distribution(package).files or ()
    image = Image.open(str(next(file for file in files if file.name == name).locate())).convert("RGB")
    scale = shorter / min(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BOX)
