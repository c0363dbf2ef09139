"""What tests of several packages share: a tiny random CALVIN on disk, and small films made on the spot."""

from __future__ import annotations

import importlib.abc
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

# Set before torch and tokenizers are imported: tests may run in several processes side by side.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


class TorchvisionOnCpu(importlib.abc.MetaPathFinder):
    """Lets torchvision, which transformers' video processors need, be imported beside a torch without CUDA.

    Some models read pictures only through torchvision, and PyPI has none for CPUs. The library of its build for GPUs
    cannot be loaded there, and without the two operators that the library defines the import fails. Its transforms are
    plain torch and call neither, so here they get a name and no body. It is kept apart in `videollm` of the virtual
    environment, out of the way of the command line, which would hide one that does not fit (calvin.core.torch_builds).
    """

    def __init__(self) -> None:
        self.library: object = None  # operators last as long as it does
        folder = Path(sys.prefix) / "videollm"
        if folder.is_dir() and str(folder) not in sys.path:
            sys.path.append(str(folder))

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name != "torchvision" or self.library is not None:
            return
        import torch

        versions = [Path(entry) / "torchvision" / "version.py" for entry in sys.path]
        version = next((file.read_text() for file in versions if file.is_file()), "")
        if torch.version.cuda is None and re.search(r"__version__ = .*\+cu", version):
            library = torch.library.Library("torchvision", "DEF")
            for operator in ("nms", "qnms"):
                library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            self.library = library


sys.meta_path.insert(0, TorchvisionOnCpu())
import_module("calvin")
if "torchvision" in sys.modules and sys.modules["torchvision"] is None:
    del sys.modules["torchvision"]  # hidden, as it does not fit by itself

WORDS = "a man woman in red blue coat waves bows walks sits hands the lamp near house and then"


@pytest.fixture(scope="session", autouse=True)
def _writing_is_read_where_a_test_says_so() -> Iterator[None]:
    """The extra `ocr` is installed here, so that each film of each test would be read, which takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("calvin.media.film.ocr.reads_by_default", lambda: False)
        yield


@pytest.fixture(autouse=True)
def _no_test_keeps_the_processor_to_itself() -> Iterator[None]:
    """Run as root, SVT-AV1 makes the thread that opens it a real-time one (see findings/), which then starves whatever
    runs beside it, other test processes first."""
    yield
    if hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) == os.SCHED_FIFO:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CALVIN of random weights with a tower of its own, some 100,000 parameters, saved as users get theirs."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from calvin.model import CalvinFrameEncoder, CalvinFrameEncoderConfig
    from calvin.model.assemble import assemble

    root = tmp_path_factory.mktemp("tiny-model")
    torch.manual_seed(0)
    vocabulary = [
        "<s>",
        "</s>",
        "<pad>",
        "<unk>",
        *(chr(code) for code in range(33, 127)),
        "▁",
        *("▁" + w for w in WORDS.split()),
    ]
    words = Tokenizer(models.WordLevel({word: index for index, word in enumerate(vocabulary)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Metaspace()
    words.decoder = decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(root / "language")
    language = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=512, bos_token_id=0, eos_token_id=1, pad_token_id=2,
        initializer_range=0.4,
    )  # fmt: skip
    LlamaForCausalLM(language).save_pretrained(root / "language")
    backbone = {
        **{"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 12], "depths": [1, 1]},
        "layer_type": "basic",
    }
    tower = CalvinFrameEncoder(
        CalvinFrameEncoderConfig(
            backbone_config=backbone, projection_dim=24, image_size=(16, 28), encoder_name="tiny-tower"
        )
    )
    tower.save_pretrained(root / "tower")
    tower.image_processor().save_pretrained(root / "tower")
    model, processor = assemble(
        language=root / "language",
        vision=root / "tower",
        qformer={"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32},
        num_query_tokens=4,
        max_frames=8,
    )
    folder = root / "tiny"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n\n# Tiny\n\nRandom weights, for tests.\n")
    return folder


@pytest.fixture(scope="session")
def tiny_tower(tiny_model: Path) -> Path:
    """The vision tower of `tiny_model`, by itself."""
    return tiny_model.parent / "tower"


@pytest.fixture(scope="module")
def gguf_read_once() -> Iterator[None]:
    """Transformers reads a GGUF file for its configuration, its weights and its tokenizer, each time all of its words
    one by one, and names its tensors anew for each part of the model: seconds each. Here that is done once.
    """
    import gguf

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gguf, "GGUFReader", cache(gguf.GGUFReader))
        patch.setattr(gguf, "get_tensor_name_map", cache(gguf.get_tensor_name_map))
        yield


@pytest.fixture(scope="session")
def make_film(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """make_film(path, seconds=(3, 3, 3), ...): shots of plain colours with a moving block, and a tone.

    Each such film is encoded once, and copied for whoever wants it.
    """

    @cache
    def written(suffix: str, seconds: tuple[float, ...], rate: int, audio: bool) -> Path:
        return encode_film(tmp_path_factory.mktemp("film") / f"film{suffix}", seconds, rate, audio)

    def make(path: Path, seconds: tuple[float, ...] = (3.0, 3.0, 3.0), rate: int = 10, audio: bool = True) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(written(path.suffix, seconds, rate, audio), path))

    return make


def encode_film(path: Path, seconds: tuple[float, ...], rate: int, audio: bool) -> Path:
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "g": "10"})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        sound = container.add_stream("aac", rate=16_000, layout="mono") if audio else None
        count = 0
        for shot, length in enumerate(seconds):
            colour = np.random.default_rng(shot).integers(30, 220, 3)
            for step in range(round(length * rate)):
                picture = np.broadcast_to(colour.astype(np.uint8), (64, 96, 3)).copy()
                picture[20:40, (step * 3) % 76 : (step * 3) % 76 + 20] = 255 - colour
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = count, Fraction(1, rate)
                container.mux(video.encode(frame))
                count += 1
        container.mux(video.encode(None))
        if sound is not None:
            total = int(count / rate * 16_000)
            for start in range(0, total, 1024):
                wave = np.sin(np.arange(start, min(start + 1024, total)) / 20).astype(np.float32)[None]
                tone = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                tone.sample_rate, tone.pts, tone.time_base = 16_000, start, Fraction(1, 16_000)
                container.mux(sound.encode(tone))
            container.mux(sound.encode(None))
    return path
