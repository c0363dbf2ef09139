from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from calvin.core.tokens import IGNORE_INDEX
from calvin.model.vision import CalvinFrameEncoder, CalvinFrameEncoderConfig, prepare_pixels
from calvin.training.small.tower import SlotCaptioner, augment, slot_accuracy, train_tower
from calvin.training.steps import LoopConfig, TowerStep


class Blocks:
    """A bright block on the left or the right; its colour applies only on the left."""

    slots: Mapping[str, Sequence[str]] = {"side": ("left", "right"), "colour": ("red", "blue")}
    weights: Mapping[str, float] = {"side": 1.0, "colour": 3.0}

    def images_at(self, index: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(index)
        sides, colours = rng.integers(2, size=count), rng.integers(2, size=count)
        images = np.full((count, 16, 32, 3), 60, np.uint8)
        for image, side, colour in zip(images, sides, colours, strict=True):
            image[4:12, 4 + 16 * side : 12 + 16 * side, 0 if colour == 0 else 2] = 240
        return images, np.stack([sides, np.where(sides == 0, colours, IGNORE_INDEX)], axis=1)


def make_tower() -> CalvinFrameEncoder:
    torch.manual_seed(0)
    backbone = {
        "model_type": "resnet",
        "embedding_size": 8,
        "hidden_sizes": [8, 16],
        "depths": [1, 1],
        "layer_type": "basic",
    }
    return CalvinFrameEncoder(
        CalvinFrameEncoderConfig(backbone_config=backbone, projection_dim=16, image_size=(16, 32))
    )


def test_a_tower_learns_the_words_of_its_slots(tmp_path: Path) -> None:
    tower = make_tower()
    loop = LoopConfig(steps=80, max_lr=5e-3, warmup_steps=5, precision="fp32")
    config = TowerStep(backbone={}, projection_dim=16, image_size=(16, 32), hidden_size=32, batch_size=32, loop=loop)
    result, accuracy = train_tower(tower, tower.image_processor(), Blocks(), config, tmp_path)
    assert accuracy["side"] > 0.95
    assert accuracy["colour"] > 0.95
    assert result.steps == 80
    assert not any(parameter.requires_grad for parameter in tower.parameters())


def test_slots_that_do_not_apply_do_not_count() -> None:
    captioner = SlotCaptioner(make_tower(), 16, 32, Blocks())
    logits = torch.randn(4, 4)
    words = torch.tensor([[0, IGNORE_INDEX], [1, IGNORE_INDEX], [0, IGNORE_INDEX], [1, IGNORE_INDEX]])
    expected = torch.nn.functional.cross_entropy(logits[:, :2], words[:, 0]) / 4  # weight 1 of 1 + 3
    torch.testing.assert_close(captioner.loss(logits, words), expected)


def test_where_nothing_is_there_does_not_count() -> None:
    """A tower that always says "none" knows none of the props, however seldom there is one."""

    class Props(Blocks):
        slots: Mapping[str, Sequence[str]] = {"side": ("left", "right"), "prop": ("none", "ball")}

        def images_at(self, index: int, count: int) -> tuple[np.ndarray, np.ndarray]:
            images, words = super().images_at(index, count)
            words[:, 1] = np.arange(count) % 8 == 0
            return images, words

    images = Props()
    images.weights = {"side": 1.0, "prop": 1.0}
    captioner = SlotCaptioner(make_tower(), 16, 32, images)
    with torch.no_grad():
        captioner.head[2].weight.zero_()
        captioner.head[2].bias.copy_(torch.tensor([1.0, 0.0, 1.0, 0.0]))  # always left, always none
    accuracy = slot_accuracy(captioner, captioner.tower.image_processor(), images, 16)
    assert accuracy["prop"] == 0
    assert 0.2 < accuracy["side"] < 0.8


def test_normalising_equals_the_image_processor() -> None:
    tower = make_tower()
    images, _ = Blocks().images_at(0, 3)
    processor = tower.image_processor()
    expected = processor(list(images), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(prepare_pixels(processor, images), expected, atol=1e-5, rtol=0)


def test_augmenting_is_a_function_of_its_seed() -> None:
    pixels = torch.zeros(2, 3, 4, 4)
    assert torch.equal(augment(pixels, 0.02, 7), augment(pixels, 0.02, 7))
    assert not torch.equal(augment(pixels, 0.02, 7), augment(pixels, 0.02, 8))
