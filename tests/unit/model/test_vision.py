from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoImageProcessor,
    AutoModel,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)
from transformers.utils import is_torchvision_available

from calvin.core.errors import CheckpointError, ConfigError, DataError
from calvin.model import (
    CalvinFrameEncoder,
    CalvinFrameEncoderConfig,
    encode_images,
    encoder_identity,
    load_vision_tower,
    tower_hash,
)
from calvin.model.vision import frame_vectors, prepare_pixels, vector_width

RESNET = {
    "model_type": "resnet",
    "embedding_size": 8,
    "hidden_sizes": [8, 12],
    "depths": [1, 1],
    "layer_type": "basic",
}
CONVNEXT = {"model_type": "convnextv2", "hidden_sizes": [8, 12], "depths": [1, 1], "num_stages": 2}


def encoder(**changes: Any) -> CalvinFrameEncoder:
    values = {"backbone_config": RESNET, "image_size": (32, 56), "projection_dim": 24, "encoder_name": "small"}
    return CalvinFrameEncoder(CalvinFrameEncoderConfig(**(values | changes))).eval()


def saved(tower: CalvinFrameEncoder, folder: Path) -> Path:
    tower.save_pretrained(folder)
    tower.image_processor().save_pretrained(folder)
    return folder


def film(count: int = 5, height: int = 90, width: int = 160) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.fixture
def clip_folder(tmp_path: Path) -> Path:
    """A whole tiny CLIP, image and text, as OpenAI's are published."""
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**sizes, "vocab_size": 50, "max_position_embeddings": 8, "bos_token_id": 1, "eos_token_id": 2}
    config = CLIPConfig(
        text_config=text, vision_config={**sizes, "image_size": 32, "patch_size": 16}, projection_dim=24
    )
    CLIPModel(config).save_pretrained(tmp_path / "clip")
    size = {"shortest_edge": 32}
    CLIPImageProcessorPil(size=size, crop_size={"height": 32, "width": 32}).save_pretrained(tmp_path / "clip")
    return tmp_path / "clip"


@pytest.mark.parametrize("backbone", [RESNET, CONVNEXT], ids=["resnet", "convnextv2"])
@pytest.mark.parametrize("pooling", ["flatten", "mean"])
def test_any_backbone_gives_one_vector_a_frame(backbone: dict[str, Any], pooling: str, tmp_path: Path) -> None:
    tower = encoder(backbone_config=backbone, pooling=pooling)
    pixels = torch.randn(2, 3, 32, 56)
    vectors = tower(pixels).image_embeds
    assert vectors.shape == (2, 24)
    tower.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).eval()
    assert isinstance(again, CalvinFrameEncoder)
    assert torch.equal(again(pixels).image_embeds, vectors)


def test_flattening_keeps_the_place_and_averaging_does_not() -> None:
    pixels = torch.zeros(2, 3, 32, 256)
    pixels[0, :, 8:24, 96:104] = 1.0
    pixels[1, :, 8:24, 144:152] = 1.0  # a multiple of the stride away, both far from the edges
    differences = {}
    for pooling in ("flatten", "mean"):
        torch.manual_seed(0)
        vectors = encoder(pooling=pooling, image_size=(32, 256))(pixels).image_embeds
        differences[pooling] = (vectors[0] - vectors[1]).abs().max().item()
    assert differences["flatten"] > 100 * differences["mean"]


def test_frames_of_another_size_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\(32, 32\).*\(32, 56\)"):
        encoder()(torch.zeros(1, 3, 32, 32))


def test_the_fast_preparation_is_the_image_processors_own(tmp_path: Path) -> None:
    processor = AutoImageProcessor.from_pretrained(saved(encoder(), tmp_path), backend="pil")
    for frames in (film(), film(3, 32, 56)):
        slow = processor(list(frames), return_tensors="pt")["pixel_values"]
        # the processor divides by 255 in float64 and then rounds
        torch.testing.assert_close(prepare_pixels(processor, frames), slow, rtol=1e-6, atol=1e-6)


def test_the_preparation_is_the_same_with_torchvision(tmp_path: Path) -> None:
    if not is_torchvision_available():
        pytest.skip("torchvision is not installed")
    folder = saved(encoder(), tmp_path)
    slow, fast = (AutoImageProcessor.from_pretrained(folder, backend=backend) for backend in ("pil", "torchvision"))
    assert type(slow) is not type(fast)
    torch.testing.assert_close(prepare_pixels(fast, film()), prepare_pixels(slow, film()), rtol=0, atol=0)


def test_batching_does_not_change_the_vectors() -> None:
    tower = encoder()
    whole = encode_images(tower, tower.image_processor(), film(7))
    assert whole.shape == (7, 24)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(encode_images(tower, tower.image_processor(), film(7), batch_size=3), whole, atol=1e-5)
    rough = encode_images(tower, tower.image_processor(), film(7), bf16=True)
    np.testing.assert_allclose(rough, whole, atol=0.1)  # bf16 keeps 8 bits of vectors of unit scale


def test_encoding_leaves_the_towers_mode_alone() -> None:
    tower = encoder().train()
    encode_images(tower, tower.image_processor(), film(2))
    assert tower.training


@pytest.mark.parametrize(
    "frames",
    [film().astype(np.float32), film()[0], film()[..., :2], film()[:0]],
    ids=["float", "3-d", "2-colour", "none"],
)
def test_what_is_not_frames_is_refused(frames: np.ndarray) -> None:
    tower = encoder()
    with pytest.raises(DataError, match="uint8 RGB"):
        encode_images(tower, tower.image_processor(), frames)


def test_a_clip_gives_its_image_embeds(clip_folder: Path) -> None:
    tower, processor = load_vision_tower(clip_folder)
    assert vector_width(tower.config) == 24
    pixels = processor(list(film(2)), return_tensors="pt")["pixel_values"]
    clip = CLIPModel.from_pretrained(clip_folder).eval()
    with torch.no_grad():
        expected = clip.get_image_features(pixels).pooler_output.numpy()
    np.testing.assert_array_equal(encode_images(tower, processor, film(2)), expected)


def test_a_tower_without_projection_gives_its_pooled_output() -> None:
    config = SiglipVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=16, patch_size=8
    )
    tower = SiglipVisionModel(config).eval()
    pixels = torch.randn(2, 3, 16, 16)
    assert torch.equal(frame_vectors(tower, pixels), tower(pixels).pooler_output)
    assert vector_width(config) == 16


def test_the_identity_is_that_of_the_weights(tmp_path: Path) -> None:
    tower = encoder()
    tower.save_pretrained(tmp_path / "whole")
    tower.save_pretrained(tmp_path / "split", max_shard_size="3KB")
    assert len(list((tmp_path / "split").glob("*.safetensors"))) > 1
    identity = encoder_identity(tmp_path / "whole")
    assert identity == ("small", tower_hash(tower))
    assert encoder_identity(tmp_path / "split") == identity
    half = encoder()
    half.load_state_dict(tower.state_dict())
    stored = tower_hash(half.half())
    assert tower_hash(half.float()) == stored  # as it is stored, however it is loaded
    with torch.no_grad():
        tower.projection.bias[0] += 1e-3
    assert tower_hash(tower) != identity[1]


def test_the_id_is_the_folders_name_where_none_is_given(tmp_path: Path) -> None:
    assert encoder_identity(saved(encoder(encoder_name=None), tmp_path / "tower-a"))[0] == "tower-a"


def test_the_id_of_a_tower_from_the_hubs_cache_is_its_hub_id(tmp_path: Path) -> None:
    folder = tmp_path / "models--some--tower" / "snapshots" / "0123abcd"
    assert encoder_identity(saved(encoder(encoder_name=None), folder))[0] == "some/tower"


def test_our_tower_brings_its_own_preparation_where_the_file_is_gone(tmp_path: Path) -> None:
    saved(encoder(), tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    _, processor = load_vision_tower(tmp_path)
    assert (processor.size.height, processor.size.width) == (32, 56)


def test_a_clip_without_its_preparation_is_refused(clip_folder: Path) -> None:
    (clip_folder / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match="preprocessor_config"):
        load_vision_tower(clip_folder)
