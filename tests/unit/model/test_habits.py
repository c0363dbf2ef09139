"""What users of transformers do with a model: processors, chats, pipelines, Auto classes, adapters, hubs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig
from PIL import Image

from calvin.core.errors import DataError, FeatureError, UsageError
from calvin.core.prompts import Prompt
from calvin.model import CalvinForConditionalGeneration, CalvinProcessor, load_calvin
from calvin.model.modeling import adapter_of

Loaded = tuple[CalvinForConditionalGeneration, CalvinProcessor]
QUESTION = "Describe this visual."


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Loaded:
    return load_calvin(tiny_model)


@pytest.fixture(scope="module")
def still() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 56, 3), dtype=np.uint8))


def same(one: Any, other: Any) -> bool:
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


def test_a_question_and_an_image_are_laid_out_as_in_training(loaded: Loaded, still: Image.Image, tmp_path) -> None:
    processor = loaded[1]
    expected = processor([Prompt(QUESTION)], images=[still])
    still.save(tmp_path / "still.png")
    for image in (still, [still], np.asarray(still), [[still]], tmp_path / "still.png"):
        assert same(processor(text=QUESTION, images=image), expected)
    assert same(processor(text=[f"<visual> {QUESTION}"], images=[still], padding=True, return_tensors="pt"), expected)
    turned = torch.from_numpy(np.asarray(still).copy()).permute(2, 0, 1)
    assert same(processor(text=QUESTION, images=turned), expected)


def test_vectors_and_context_too(loaded: Loaded) -> None:
    vectors, processor = np.random.default_rng(1).normal(size=(3, 24)).astype(np.float32), loaded[1]
    expected = processor([Prompt(QUESTION, ("A man waves.", "He bows."))], image_embeds=[vectors])
    assert same(processor(text=f"<visual>A man waves. He bows. {QUESTION}", image_embeds=vectors), expected)
    assert same(processor(text=QUESTION), processor([Prompt(QUESTION)]))


def test_of_a_long_video_frames_are_taken_evenly(loaded: Loaded, make_film, tmp_path: Path) -> None:
    processor = loaded[1]
    video = np.random.default_rng(2).integers(0, 255, (20, 16, 28, 3), dtype=np.uint8)
    taken = [1, 3, 6, 8, 11, 13, 16, 18]
    expected = processor([Prompt(QUESTION)], frames=[list(video[taken])])
    assert same(processor(text=QUESTION, videos=video), expected)
    assert same(processor(text=QUESTION, videos=[Image.fromarray(one) for one in video]), expected)
    film = make_film(tmp_path / "clip.mp4", seconds=(1.0, 1.0))
    assert processor(text=QUESTION, videos=str(film))["pixel_values"].shape[:2] == (1, 8)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"text": "<visual> What?"}, DataError, "its row has no visual"),
        ({"text": "See <visual> this?", "images": np.zeros((9, 9, 3), np.uint8)}, DataError, "before all words"),
        ({"text": "a", "images": [[np.zeros((9, 9, 3), np.uint8)] * 2]}, UsageError, "not 2 images"),
        ({"text": "a", "images": "https://example.org/a.jpg"}, UsageError, "fetch the file first"),
        ({"text": "a", "audio": [0.0]}, UsageError, "hears nothing"),
        ({"text": "a", "return_tensors": "np"}, UsageError, "torch's tensors"),
        ({"text": "a", "padding": "max_length"}, UsageError, "the longest"),
        ({"text": "a", "padding_side": "right"}, UsageError, "on the left"),
        ({"text": "a", "prompts": Prompt()}, UsageError, "not both"),
        ({"text": "a", "image_embeds": np.full((2, 24), np.nan, np.float32)}, FeatureError, "NaN or infinity"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(loaded: Loaded, given, error, said: str) -> None:
    with pytest.raises(error, match=said):
        loaded[1](**given)


def test_a_chat_is_a_prompt_like_those_of_training(loaded: Loaded, still: Image.Image) -> None:
    processor = loaded[1]
    last = {"role": "user", "content": [{"type": "image", "image": still}, {"type": "text", "text": QUESTION}]}
    laid = processor.apply_chat_template([last], tokenize=True, return_dict=True, add_generation_prompt=True)
    assert same(laid, processor([Prompt(QUESTION)], images=[still]))
    before = [{"role": "user", "content": "Who is it?"}, {"role": "assistant", "content": "A man."}]
    assert processor.apply_chat_template([*before, last]) == f"<visual>Who is it? A man. {QUESTION}"
    laid = processor.apply_chat_template([*before, last], tokenize=True, return_dict=True)
    assert same(laid, processor([Prompt(QUESTION, ("Who is it? A man.",))], images=[still]))


def test_a_template_of_ones_own_is_kept(tiny_model: Path, tmp_path: Path) -> None:
    _, processor = load_calvin(tiny_model)
    for image_processor in (processor.image_processor, None):
        mine = CalvinProcessor(image_processor, processor.tokenizer, chat_template="{{ messages[0]['content'] }}")
        folder = tmp_path / str(image_processor is None)
        mine.save_pretrained(folder)
        kept = CalvinProcessor.from_pretrained(folder)
        assert kept.apply_chat_template([{"role": "user", "content": "So?"}]) == "So?"


def test_pipelines_write_what_generate_writes(tiny_model: Path, loaded: Loaded, still: Image.Image) -> None:
    from transformers import pipeline

    model, processor = loaded
    inputs = processor(text=QUESTION, images=still)
    [expected] = processor.captions(model.generate(**inputs, max_new_tokens=6, num_beams=2))
    assert expected
    chat = [{"role": "user", "content": [{"type": "image", "image": still}, {"type": "text", "text": QUESTION}]}]
    options = {"max_new_tokens": 6, "num_beams": 2}
    ours = pipeline("video-text-to-text", model=str(tiny_model), device="cpu")
    assert ours(images=still, **options) == [{"generated_text": expected}]
    assert ours(chat, **options) == ours([still], text=QUESTION, **options) == [{"generated_text": expected}]
    several = ours(image_embeds=[np.ones((2, 24), np.float32)] * 2, **options)
    assert [len(each) for each in several] == [1, 1]
    theirs = pipeline("image-text-to-text", model=str(tiny_model), device="cpu")
    [answer] = theirs(images=still, text=QUESTION, generate_kwargs=options, return_full_text=False)
    assert answer["generated_text"].strip() == expected
    [answer] = theirs(text=chat, generate_kwargs=options, return_full_text=False)
    assert answer["generated_text"].strip() == expected


ELSEWHERE = """
import sys, calvin
assert "torch" not in sys.modules and "transformers" not in sys.modules
import transformers
assert "torch" not in sys.modules
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor, pipeline
model = AutoModelForImageTextToText.from_pretrained(sys.argv[1])
processor = AutoProcessor.from_pretrained(sys.argv[1])
print(type(model).__name__, type(processor).__name__, type(AutoModel.from_pretrained(sys.argv[1])).__name__)
print(model.generate(**processor(text="Describe this visual."), max_new_tokens=4, num_beams=1).tolist())
"""


def test_what_is_pushed_is_loaded_by_another_process(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub is a folder here: what is uploaded to it lands there."""
    from transformers.utils import hub

    model, processor = loaded

    def upload(folder: str, repo_id: str, files_timestamps: Any, **rest: Any) -> None:
        shutil.copytree(folder, tmp_path / repo_id, dirs_exist_ok=True)

    def create_repo(repo_id: str, **rest: Any) -> Any:
        return SimpleNamespace(repo_id=repo_id)

    card = SimpleNamespace(save=lambda path: Path(path).write_text("# A model\n"))
    for kind in (CalvinForConditionalGeneration, CalvinProcessor):
        monkeypatch.setattr(kind, "_upload_modified_files", staticmethod(upload))
    monkeypatch.setattr(hub, "hf_api", lambda: SimpleNamespace(create_repo=create_repo))
    monkeypatch.setattr(hub, "create_and_tag_model_card", lambda *_, **__: card)
    model.push_to_hub("somebody-model")
    processor.push_to_hub("somebody-model")
    expected = model.generate(**processor(text=QUESTION), max_new_tokens=4, num_beams=1).tolist()
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, tmp_path / "somebody-model"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    name = "CalvinForConditionalGeneration"
    assert run.stdout.splitlines() == [f"{name} CalvinProcessor {name}", str(expected)]


def test_auto_classes_taken_before_calvin_know_it_too() -> None:
    code = "from transformers import AutoConfig; import calvin; print(AutoConfig.for_model('calvin').model_type)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "calvin", run.stderr


def test_more_words_and_tuples(tiny_model: Path) -> None:
    model, processor = load_calvin(tiny_model)
    inputs = processor(text=[QUESTION, "What?"], image_embeds=[np.ones((2, 24), np.float32), None])
    before = model.generate(**inputs, max_new_tokens=5, num_beams=1)
    names = model(**inputs)
    parts = model(**inputs, return_dict=False)
    assert isinstance(parts, tuple)
    assert torch.equal(parts[0], names.logits)
    words = len(processor.tokenizer) + 3
    model.resize_token_embeddings(words, mean_resizing=False)
    assert model.get_output_embeddings().weight.shape[0] == words == model.config.text_config.vocab_size
    with torch.no_grad():
        model.get_output_embeddings().weight[-4:] = -50 * model.get_output_embeddings().weight[0].abs().sign()
    after = model.generate(**inputs, max_new_tokens=5, num_beams=1)
    assert before.shape == after.shape
    assert not (after == processor.visual_token_id).any(), "the placeholder is a word now, and is not said"


def test_an_adapter_of_peft_sits_on_the_language_model_alone(tiny_model: Path, tmp_path: Path) -> None:
    model, processor = load_calvin(tiny_model)
    inputs = processor(text=QUESTION, image_embeds=np.ones((2, 24), np.float32))
    plain = model(**inputs).logits
    model.add_adapter(LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    assert adapter_of(model) == "lora"
    assert not any("lora_" in name for name, _ in model.named_parameters() if not name.startswith("language_model."))
    tuned = model(**inputs).logits
    assert not torch.allclose(tuned, plain, atol=1e-3)
    model.save_pretrained(tmp_path)
    merged = CalvinForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert torch.allclose(merged(**inputs).logits, tuned, atol=1e-4)
    with pytest.raises(UsageError, match="has a lora adapter already"):
        model.add_adapter(LoraConfig(target_modules=["q_proj"]))
