"""Pre-training of a small vision tower, for models that do not start from a public CLIP.

The objective is captioning from the one vector that a frame becomes, all words in parallel (the parallel prediction of
CapPa, Tschannen et al. 2023): the caption is a form with slots ("left arm: up", "place: kitchen") and each slot's word
is predicted from the vector alone. On puppets this taught motion several times faster than contrast with captions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from calvin.core.files import atomic_folder, write_json
from calvin.core.progress import Listener, silent
from calvin.core.tokens import IGNORE_INDEX
from calvin.model.loading import quiet
from calvin.model.vision import CalvinFrameEncoder, CalvinFrameEncoderConfig, prepare_pixels
from calvin.training.loop.train import Batch, LossOf, TrainResult, train
from calvin.training.steps import TowerStep


class SlotImages(Protocol):
    """Images whose captions are forms.

    `slots` lists each slot's name and words, `weights` how much each counts; `images_at(index, count)` gives uint8
    [count, H, W, 3] and word numbers int64 [count, slots], IGNORE_INDEX where a slot does not apply; a pure function
    of its arguments.
    """

    @property
    def slots(self) -> Mapping[str, Sequence[str]]: ...

    @property
    def weights(self) -> Mapping[str, float]: ...

    def images_at(self, index: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Images uint8 [count, H, W, 3] and words int64 [count, slots]."""
        ...


class SlotCaptioner(nn.Module):
    """Vision tower and head: normalised pixels [N, 3, H, W] to one logit per word, [N, all words]."""

    def __init__(self, tower: nn.Module, dim: int, hidden_size: int, images: SlotImages) -> None:
        super().__init__()
        self.tower = tower
        self.sizes = [len(words) for words in images.slots.values()]
        self.weights = [images.weights[name] for name in images.slots]
        self.head = nn.Sequential(nn.Linear(dim, hidden_size), nn.GELU(), nn.Linear(hidden_size, sum(self.sizes)))

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Pixels [N, 3, H, W] to the logits of all words [N, all words]."""
        return self.head(self.tower(pixel_values=pixel_values).image_embeds)

    def loss(self, logits: Tensor, words: Tensor) -> Tensor:
        """Weighted mean over slots of the cross-entropy over the images where the slot applies; words [N, slots]."""
        parts = logits.float().split(self.sizes, dim=1)
        total = logits.new_zeros((), dtype=torch.float32)
        for slot, (part, weight) in enumerate(zip(parts, self.weights, strict=True)):
            # Averaged where the slot applies: the mean over no image at all would not be a number.
            if (words[:, slot] != IGNORE_INDEX).any():
                total = total + weight * functional.cross_entropy(part, words[:, slot], ignore_index=IGNORE_INDEX)
        return total / sum(self.weights)


def slot_loss(model: nn.Module, batch: Batch) -> Tensor:
    """The loss of a `SlotCaptioner`, alone or wrapped by DDP, on pixel_values [N, 3, H, W] and words [N, slots]."""
    captioner: Any = getattr(model, "module", model)
    return captioner.loss(model(batch["pixel_values"]), batch["words"])


def train_tower(
    tower: nn.Module,
    image_processor: Any,
    images: SlotImages,
    config: TowerStep,
    folder: Path,
    listener: Listener = silent,
    loss_of: LossOf = slot_loss,
) -> tuple[TrainResult, dict[str, float]]:
    """Pre-train `tower` in place. Returns the run, and for each slot the share of right words on held-out images."""
    torch.manual_seed(config.loop.seed)
    captioner = SlotCaptioner(tower, config.projection_dim, config.hidden_size, images)
    captioner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # convolutions on a CPU run faster

    def batch_at(index: int) -> Batch:
        pixels, words = images.images_at(index, config.batch_size)
        values = augment(prepare_pixels(image_processor, pixels), config.noise, index)
        return {"pixel_values": values.contiguous(memory_format=torch.channels_last), "words": torch.from_numpy(words)}

    slots = {name: list(words) for name, words in images.slots.items()}
    identity = [config.model_dump(exclude={"kind", "loss", "loop"}), slots, dict(images.weights)]
    result = train(
        captioner, batch_at, config.loop, folder, name="tower", identity=identity, loss_of=loss_of, listener=listener
    )
    captioner.requires_grad_(False)
    return result, slot_accuracy(captioner, image_processor, images, config.batch_size)


def make_tower(
    step: TowerStep,
    name: str,
    images: SlotImages,
    target: Path,
    checkpoints: Path,
    listener: Listener = silent,
    loss_of: LossOf = slot_loss,
) -> None:
    """Pre-train a new tower, whose features will carry `name`, and leave it in `target` with what it scores."""
    torch.manual_seed(step.loop.seed)
    tower = CalvinFrameEncoder(CalvinFrameEncoderConfig(**step.encoder_fields(), encoder_name=name))
    processor = tower.image_processor()
    _, accuracy = train_tower(tower, processor, images, step, checkpoints, listener, loss_of)
    # Rounded to what the shipped float16 file holds, so that its features and its hash are the same ones.
    tower.half().float()
    with atomic_folder(target) as temporary, quiet():
        tower.save_pretrained(temporary)
        processor.save_pretrained(temporary)
        write_json(temporary / "accuracy.json", accuracy)


def augment(pixel_values: Tensor, noise: float, seed: int) -> Tensor:
    """Random gain, offset and noise on [N, 3, H, W]: what compression and another renderer size do to an image."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(pixel_values), 1, 1, 1)
    gain = 1 + 0.15 * (torch.rand(shape, generator=generator) * 2 - 1)
    offset = 0.15 * (torch.rand(shape, generator=generator) * 2 - 1)
    grain = torch.randn(pixel_values.shape, generator=generator) * (4 * noise)  # std of a pixel is about 1/4
    return pixel_values * gain + offset + grain


@torch.no_grad()
def slot_accuracy(
    captioner: SlotCaptioner, image_processor: Any, images: SlotImages, batch_size: int, batches: int = 8
) -> dict[str, float]:
    """Share of right words for each slot on images from the far end of the stream, which training never reaches.

    For a slot that may hold "none", only images with something there count: an empty place is too easy to see.
    """
    captioner.eval()
    absent = [words[0] == "none" for words in images.slots.values()]
    right, asked = np.zeros(len(images.slots)), np.zeros(len(images.slots))
    for number in range(batches):
        pixels, words = images.images_at(2**40 + number, batch_size)
        logits = captioner(prepare_pixels(image_processor, pixels).contiguous(memory_format=torch.channels_last))
        for slot, part in enumerate(logits.split(captioner.sizes, dim=1)):
            applies = (words[:, slot] != IGNORE_INDEX) & ((words[:, slot] > 0) | (not absent[slot]))
            right[slot] += (part.argmax(1).numpy()[applies] == words[applies, slot]).sum()
            asked[slot] += applies.sum()
    return {name: float(right[i] / max(asked[i], 1)) for i, name in enumerate(images.slots)}
