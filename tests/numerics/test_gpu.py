"""On a GPU: what comes out is what comes out on a CPU, and what was trained there is read here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from calvin.captioners import CaptionRequest
from calvin.captioners.calvin import Calvin
from calvin.core.prompts import EVALUATION_QUESTION, Prompt
from calvin.core.time import Span
from calvin.core.types import Scene
from calvin.data.regularisation import RegularScene, bundled_regularisation, read_regularisation
from calvin.model import load_calvin
from calvin.model.assemble import assemble
from calvin.model.tuning import base_kept, load_adapter, save_adapter
from calvin.training.fewshot import SMALL, FewshotBatches, FewshotScene, tune
from calvin.training.full.data_file import DataFile
from calvin.training.run import Run
from stage_data import shrunk, write_data

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")]
SCENES = 32
EXACT = SMALL.changed(
    loop=SMALL.loop.changed(steps=6, checkpoint_every=2, precision="fp32"), batch_size=4, lora_rank=32, lora_alpha=64
)


@pytest.fixture(scope="module")
def given() -> list[RegularScene]:
    """Real scenes of puppet films, by the bundled model's encoder."""
    mini = Calvin.from_pretrained(device="cpu")
    path = bundled_regularisation(mini.encoder.hash)
    assert path is not None
    return read_regularisation(path, mini.encoder, mini.max_frames)[:SCENES]


def test_captions_and_their_scores_are_those_of_the_cpu(given: list[RegularScene]) -> None:
    prompt = Prompt(EVALUATION_QUESTION)
    requests = [CaptionRequest(Scene(str(i), "f", Span(0, 1), s.image_embeds), prompt) for i, s in enumerate(given)]
    there, here = Calvin.from_pretrained(), Calvin.from_pretrained(device="cpu")
    assert there.model.device.type == "cuda"
    pairs = list(zip(there.caption(requests), here.caption(requests), strict=True))
    # Sums in another order may decide between two beams that are as good as each other.
    assert sum(ours.text != cpus.text for ours, cpus in pairs) <= 1
    same = [(ours.score, cpus.score) for ours, cpus in pairs if ours.text == cpus.text]
    np.testing.assert_allclose(*np.array(same).T, atol=1e-3)


def test_frame_vectors_are_those_of_the_cpu() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (9, 90, 160, 3), dtype=np.uint8)
    there, here = (Calvin.from_pretrained(device=device).encode_frames(frames) for device in ("cuda", "cpu"))
    np.testing.assert_allclose(there, here, atol=2e-3)


def test_a_language_model_in_bfloat16_stays_so_on_a_gpu_alone(tiny_model: Path, tmp_path: Path) -> None:
    parts = {"language": tiny_model.parent / "language", "vision": tiny_model.parent / "tower"}
    model, processor = assemble(**parts, qformer={"num_hidden_layers": 1}, max_frames=8, dtype=torch.bfloat16)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded, _ = load_calvin(tmp_path, device="cuda")
    assert loaded.decoder.dtype == torch.bfloat16
    for part in (loaded.projector, loaded.vision_tower):
        assert {value.dtype for value in part.parameters()} == {torch.float32}
    assert load_calvin(tmp_path, device="cpu")[0].decoder.dtype == torch.float32
    assert load_calvin(tiny_model, device="cuda")[0].decoder.dtype == torch.float32
    embeds = np.random.default_rng(0).normal(size=(3, 24)).astype(np.float32)
    request = CaptionRequest(Scene("0", "f", Span(0, 1), embeds), Prompt(EVALUATION_QUESTION))
    assert Calvin(loaded, processor).caption([request], max_new_tokens=8)[0].text


def film(given: list[RegularScene]) -> list[FewshotScene]:
    return [FewshotScene(str(i), s.caption, ("Mara",), s.image_embeds) for i, s in enumerate(given[:8])]


def test_tuned_on_a_gpu_read_on_a_cpu(given: list[RegularScene], tmp_path: Path) -> None:
    base = Calvin.from_pretrained()
    before = {name: value.clone() for name, value in base.model.state_dict().items()}
    batch = FewshotBatches(film(given), given[8:], base.processor, EXACT).batch_at(0)
    with torch.no_grad(), base_kept(base.model):
        with torch.enable_grad():
            tune(base.model, base.processor, film(given), given[8:], EXACT, tmp_path / "work")
        tuned = base.model(**{name: value.cuda() for name, value in batch.items()}).logits.cpu()
        save_adapter(base.model, tmp_path / "adapter")
    after = base.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    here = Calvin.from_pretrained(device="cpu")
    with torch.no_grad():
        untuned = here.model(**batch).logits
        load_adapter(here.model, tmp_path / "adapter")
        torch.testing.assert_close(here.model(**batch).logits, tuned, atol=5e-3, rtol=0)
    assert not torch.allclose(untuned, tuned, atol=0.1)


def test_a_run_that_was_stopped_ends_like_one_that_was_not(given: list[RegularScene], tmp_path: Path) -> None:
    def stop(event) -> None:  # type: ignore[no-untyped-def]
        if event.done >= 3:
            raise KeyboardInterrupt

    def run(folder: Path, stopped: bool) -> dict[str, torch.Tensor]:
        base = Calvin.from_pretrained()
        if stopped:
            with pytest.raises(KeyboardInterrupt):
                tune(base.model, base.processor, film(given), given[8:], EXACT, folder, stop)
            base = Calvin.from_pretrained()
        tune(base.model, base.processor, film(given), given[8:], EXACT, folder)
        return {name: value.detach() for name, value in base.model.named_parameters() if value.requires_grad}

    whole, resumed = run(tmp_path / "a", False), run(tmp_path / "b", True)
    for name in whole:  # kernels may add up in another order
        torch.testing.assert_close(resumed[name], whole[name], atol=2e-4, rtol=0)


def test_both_stages_of_the_full_size_recipes_run(tiny_model: Path, tmp_path: Path) -> None:
    """With activation checkpointing and the language model in bfloat16, as nothing runs on a CPU."""
    parts = tiny_model.parent
    data = DataFile.read(write_data(tmp_path / "data", parts / "language", parts / "tower", 24))
    [first] = Run(shrunk(1, 4, 2), tmp_path / "one", data).models().values()
    [second] = Run(shrunk(2, 4, 1), tmp_path / "two", data, start=first).models().values()
    model, _ = load_calvin(second, device="cuda")
    assert model.decoder.dtype == torch.bfloat16
    start, _ = load_calvin(first)
    moved = [
        name
        for name, value in start.named_parameters()
        if not torch.equal(value, model.get_parameter(name).float().cpu())
    ]
    assert any(name.startswith("projector.") for name in moved)
    assert any(name.endswith("q_proj.weight") for name in moved), "the LoRA was merged"
    assert not [name for name in moved if name.startswith("vision_tower.")]
