"""What turns stills and words into a video LLM's inputs: transformers' processors, with torchvision or without.

transformers' video processors need torchvision, and a torchvision from another index than torch's takes transformers
down with it. Most families also read single pictures, and their image processors exist in PIL: those are used where
torchvision is not to be had, and the stills are shown as pictures with the time before each. Where a family has only
torchvision's, the error names the build that fits the torch that is here.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers.utils import PushToHubMixin

from calvin.core.errors import CheckpointError, MissingExtraError, UsageError, first_line
from calvin.core.torch_builds import torchvision_command
from calvin.core.types import LARGE_SIZE
from calvin.model.loading import quiet

BLIP = ("instructblip", "instructblipvideo")
"""Kinds of model that know no chat, and are shown a video of four frames."""


_LARGEST_SIDE = 4096
"""What processors call an edge and is more is an area."""
_WIDE = 2
"""Width by height of films, about."""


class NoVideos(PushToHubMixin):  # so that transformers can write it out
    """Stands where a processor keeps its video processor: its settings as saved, None where there is no such setting.

    Processors read settings such as the number of frames from there even when they are shown no video.
    """

    model_input_names: tuple[str, ...] = ()

    def __init__(self, settings: dict[str, Any]) -> None:
        self.__dict__.update(settings)

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None


def load_processor(folder: Path, config: Any) -> Any:
    """The processor that belongs to a model's configuration; one without a video processor holds `NoVideos` there.

    Raises:
        CheckpointError: it cannot be read, or there is none for this kind of model.
        MissingExtraError: a package that it needs is not installed.
        UsageError: it takes a torchvision, and there is none that fits torch.
    """
    from transformers import AutoProcessor, InstructBlipVideoProcessor

    # Checkpoints from before InstructBLIP knew videos name a processor of pictures.
    kind: Any = InstructBlipVideoProcessor if config.model_type in BLIP else AutoProcessor
    try:
        with quiet():
            if find_spec("torchvision") is not None:
                return kind.from_pretrained(folder, trust_remote_code=False)
            return _for_pictures(folder, config)
    except (ImportError, OSError, ValueError, KeyError, TypeError) as error:
        # transformers' advice is to install torchvision from wherever pip looks, which may exchange torch as well.
        if find_spec("torchvision") is None and "torchvision" in str(error).lower():
            raise UsageError(
                f"A {config.model_type} model reads pictures only with the torchvision built for the torch that is "
                f"here: run `{torchvision_command()}`."
            ) from error
        if isinstance(error, ImportError):
            raise MissingExtraError("A video LLM", "videollm", first_line(error)) from error
        raise CheckpointError(f"The processor of {folder} cannot be read: {first_line(error)}.") from error


def _for_pictures(folder: Path, config: Any) -> Any:
    """The processor with an image processor of PIL and without a video processor."""
    from transformers import AutoFeatureExtractor, AutoImageProcessor, AutoTokenizer
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    kind: Any = PROCESSOR_MAPPING.get(type(config), None)
    if config.model_type in BLIP or kind is None or "image_processor" not in kind.get_attributes():
        raise ImportError(f"{config.model_type} has no processor of pictures without torchvision")

    class Pictures(kind):
        """The processor, content with having no video processor."""

        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if isinstance(argument, NoVideos):
                return NoVideos
            return super().check_argument_for_proper_class(argument_name, argument)

    Pictures.__name__ = kind.__name__
    settings, _ = kind.get_processor_dict(folder)
    parts: list[Any] = []
    for name in kind.get_attributes():
        if "tokenizer" in name:
            parts.append(AutoTokenizer.from_pretrained(folder, trust_remote_code=False))
        elif name == "video_processor":
            parts.append(NoVideos(_video_settings(folder)))
        elif name == "image_processor":
            parts.append(_whole(AutoImageProcessor.from_pretrained(folder, backend="pil", trust_remote_code=False)))
        else:
            parts.append(AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=False))
    return Pictures.from_args_and_dict(parts, settings)


def _whole(image_processor: Any) -> Any:
    """An image processor that keeps each picture in one piece, as a video processor keeps frames.

    Cut into tiles, sixteen small stills of SmolVLM2 would become 272 pictures.
    """
    for name in ("do_image_splitting", "crop_to_patches", "slice_mode"):
        if getattr(image_processor, name, None):
            setattr(image_processor, name, False)
    return image_processor


def _video_settings(folder: Path) -> dict[str, Any]:
    """A video processor's settings as saved: beside the others, or in a file of its own in older checkpoints."""
    for name, key in (("processor_config.json", "video_processor"), ("video_preprocessor_config.json", None)):
        try:
            found = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        found = found.get(key) if key and isinstance(found, dict) else found
        if isinstance(found, dict):
            return {str(name): value for name, value in found.items() if str(name).isidentifier()}
    return {}


def sight(processor: Any) -> int:
    """About how many pixels of a picture's longer side a processor makes use of; `LARGE_SIZE` where nothing limits it.

    Most families scale every picture to a size of their own; some (Qwen's) only say how large the area may become.
    """
    kinds = [getattr(processor, name, None) for name in ("video_processor", "image_processor")]
    known = next((kind for kind in kinds if kind is not None and getattr(kind, "size", None)), None)
    limits = [_longest(getattr(known, name, None)) for name in ("size", "max_image_size")]
    return min([LARGE_SIZE, *(limit for limit in limits if limit)])


def _longest(size: Any) -> int | None:
    """The longer side that a processor's size stands for; None where it names none, or an area."""

    def side(name: str) -> int:
        value = size.get(name) if hasattr(size, "get") else getattr(size, name, None)
        return int(value) if isinstance(value, int | float) and 0 < value <= _LARGEST_SIDE else 0

    # What is scaled to a height, or by its shorter side, has a longer one in wide films.
    return side("longest_edge") or _WIDE * max(map(side, ("height", "width", "shortest_edge"))) or None


def sees_videos(processor: Any) -> bool:
    """Whether stills in a row can be shown to it as one video."""
    found = getattr(processor, "video_processor", None)
    return found is not None and not isinstance(found, NoVideos)
