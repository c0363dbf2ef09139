"""The paper's recipes on little data of one's own, by commands, with a language model whose tokenizer is Llama-2's: a
`tokenizer.model` that sentencepiece made, no padding, a beginning that it adds itself."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from transformers import AutoTokenizer, BertConfig, BertModel
from typer.testing import CliRunner, Result

from calvin.captioners.calvin import Calvin
from calvin.cli.main import app
from calvin.core.prompts import EVALUATION_QUESTION, Prompt
from calvin.core.time import Span
from calvin.data import FeatureStore, MemoryFeatures, Sample, read_mad_csv
from calvin.data.entities import EntityStripper
from calvin.data.regularisation import write_regularisation
from calvin.model import load_calvin
from calvin.model.tuning import adapter_facts
from language_forms import make_llama_2
from stage_data import write_data

TRAIN = """
[train]
micro_batch = 4
queries = 4
qformer_layers = 1
max_frames = 8
max_lr = 2e-3
lora_rank = 4
precision = "fp32"

[train.stage1]
steps = 16
gradient_accumulation_steps = 1
max_lr = 1e-2
weights = { cc12m = 1 }

[train.stage2]
epochs = 1
weights = { mad = 1, cc3m = 1 }
"""


def calvin(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def folder(tiny_tower: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data in `data`, and in `runs` the models of stage 1 and stage 2 and the adapter of the prefix recipe."""
    root = tmp_path_factory.mktemp("own-data")
    language = make_llama_2(root / "language")
    shape = BertConfig(hidden_size=32, num_attention_heads=2, intermediate_size=32, num_hidden_layers=1, vocab_size=10)
    BertModel(shape).save_pretrained(root / "bert")
    data = write_data(root / "data", language, tiny_tower, dim=24, bert=root / "bert")
    data.write_text(data.read_text() + TRAIN)
    looks = [word for setting in ("evaluate_every=5", "held_out=6", "captions=2", "keep_best=true", "max_lr=0.05")
             for word in ("--set", setting)]  # fmt: skip
    for recipe, more in (("calvin-7b-stage1", ()), ("calvin-7b-stage2", ()), ("calvin-7b-stage2-prefix", looks)):
        calvin("train", recipe, "--data", data, "-o", root / "runs" / recipe, *more)
    return root


def test_both_stages_and_the_prefix_are_trained(folder: Path) -> None:
    assert AutoTokenizer.from_pretrained(folder / "language").pad_token is None
    runs = folder / "runs"
    for stage in ("calvin-7b-stage1", "calvin-7b-stage2"):
        model, processor = load_calvin(runs / stage / "model")
        assert processor.tokenizer.pad_token == "</s>"
        assert model.config.num_query_tokens == 4
        rows = [json.loads(line) for line in (runs / stage / "checkpoints" / "log.jsonl").read_text().splitlines()]
        losses = [row["loss"] for row in rows]
        assert sum(losses[-4:]) < sum(losses[:4])
        assert (runs / stage / "checkpoints" / "log.csv").read_text().splitlines()[0] == "step,loss,lr,heldout_loss"
    assert adapter_facts(runs / "calvin-7b-stage2-prefix" / "model")["kind"] == "prefix"


def test_a_prefix_is_looked_at_while_it_is_trained_and_its_best_is_kept(folder: Path) -> None:
    run = folder / "runs" / "calvin-7b-stage2-prefix"
    rows = [json.loads(line) for line in (run / "checkpoints" / "heldout.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 15]
    best = min(rows, key=lambda row: float(row["loss"]))
    card = adapter_facts(run / "model")["card"]
    assert f"{best['loss']:.4f} after {best['step']} steps, whose weights these are" in card
    # What was looked at is what is saved: the model of the best look says the same of the held-out samples.
    captioner = Calvin.from_pretrained(run / "model", device="cpu")
    assert len(best["captions"]) == 2
    samples = {sample.id: sample for sample in read_mad_csv(folder / "data" / "mad.csv").samples}
    shown = [row for row in best["captions"] if row["id"] in samples]
    assert shown
    with FeatureStore.open(folder / "data" / "mad.h5") as features:
        for row in shown:
            sample = samples[row["id"]]
            vectors = features.scene(sample.media_id, sample.span, 8)
            inputs = captioner.processor(prompts=Prompt(EVALUATION_QUESTION), image_embeds=[vectors])
            [said] = captioner.processor.captions(captioner.model.generate(**inputs, num_beams=1, max_new_tokens=48))
            assert said == row["caption"]


def test_words_are_cut_as_sentencepiece_itself_cuts_them(folder: Path) -> None:
    """By the tokenizer that was trained with, too, which is saved in a form that needs no sentencepiece."""
    written = sentencepiece.SentencePieceProcessor(model_file=str(folder / "language" / "tokenizer.model"))
    model = folder / "runs" / "calvin-7b-stage2" / "model"
    assert (model / "tokenizer.json").is_file()
    _, processor = load_calvin(model)
    for text in ("a man in red waves near the lamp", "Zoë's 12 lamps, Otto?", "one\ntwo"):
        assert processor.tokenizer(text)["input_ids"] == [1, *written.encode(text)]
        assert processor.tokenizer.decode([1, *written.encode(text)], skip_special_tokens=True) == text


def test_what_was_changed_against_the_paper_is_told(folder: Path) -> None:
    """By the run's record and by the model's card."""
    stage1, stage2 = (folder / "runs" / f"calvin-7b-stage{number}" for number in (1, 2))
    changed = json.loads((stage1 / "recipe.json").read_text())["changed"]
    assert changed["steps"] == {"here": 16, "recipe": 400_000}
    assert changed["queries"] == {"here": 4, "recipe": 32}
    card = (stage1 / "model" / "README.md").read_text()
    for line in ("- steps 16 (the recipe: 400,000)", "- max_lr 0.01 (the recipe: 0.0001)", "- micro_batch image 4"):
        assert line in card
    # 36 scenes and 40 images, four at a step.
    assert "19 micro-batches on each GPU" in (stage2 / "model" / "README.md").read_text()
    assert "- lora_rank 4 (the recipe: 32)" in (stage2 / "model" / "README.md").read_text()


def test_a_finished_folder_answers_for_its_own_run_alone(folder: Path, tmp_path: Path) -> None:
    runs, data = folder / "runs", folder / "data" / "data.toml"
    stage1 = runs / "calvin-7b-stage1"
    before = (stage1 / "model" / "model.safetensors").stat().st_mtime_ns

    def again(recipe: str, at: Path, out: Path, *more: object) -> str:
        given = ["train", recipe, "--data", at, "-o", out, *more]
        result = CliRunner().invoke(app, [str(argument) for argument in given])
        return "" if result.exit_code == 0 else result.stderr

    assert again("calvin-7b-stage1", data, stage1) == ""
    refused = again("calvin-7b-stage2", data, stage1)
    assert "holds a run of another recipe" in refused
    assert "recipe.name is calvin-7b-stage2, there calvin-7b-stage1" in refused
    assert "stage.loop.steps is 9, there 16" in again("calvin-7b-stage1", data, stage1, "--set", "steps=9")
    # The same data by another path, and a file that differs in one byte.
    shutil.copytree(folder / "data", tmp_path / "moved")
    moved = tmp_path / "moved" / "data.toml"
    assert again("calvin-7b-stage1", moved, stage1) == ""
    rows = tmp_path / "moved" / "cc12m.tsv"
    rows.write_text(rows.read_text().replace("red", "rad", 1))
    assert "data.cc12m.annotations is the content" in again("calvin-7b-stage1", moved, stage1)
    assert again("calvin-7b-stage2", moved, runs / "calvin-7b-stage2") == "", "stage 2 does not read cc12m"
    other = tmp_path / "start"
    shutil.copytree(stage1 / "model", other)
    assert again("calvin-7b-stage2", data, runs / "calvin-7b-stage2", "--start", other) == ""
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"encoder_id": "other"}))
    assert "start is the content" in again("calvin-7b-stage2", data, runs / "calvin-7b-stage2", "--start", other)
    assert (stage1 / "model" / "model.safetensors").stat().st_mtime_ns == before


def test_a_stage_is_looked_at_stopped_early_and_leaves_its_best_model(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    settings = ("steps=200", "max_lr=0.02", "evaluate_every=5", "held_out=6", "captions=2", "early_stop=2",
                "keep_best=true", "warmup_steps=0", "seed=1")  # fmt: skip
    calvin("train", "calvin-7b-stage1", "--data", folder / "data" / "data.toml", "-o", out,
           *(word for setting in settings for word in ("--set", setting)))  # fmt: skip
    rows = [json.loads(line) for line in (out / "checkpoints" / "heldout.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(5, 5 * len(rows) + 1, 5))
    best = min(rows, key=lambda row: float(row["loss"]))
    assert rows[-1]["step"] == best["step"] + 10, "two looks without a lower loss"
    assert rows[-1]["step"] < 200
    assert all(len(row["captions"]) == 2 and row["captions"][0]["reference"] for row in rows)
    card = (out / "model" / "README.md").read_text()
    assert f"{best['loss']:.4f} after {best['step']} steps, whose weights these are" in card
    assert "was to take 200 steps" in card
    state = json.loads((out / "checkpoints" / "best" / "state.json").read_text())
    assert state["step"] == best["step"]
    assert f"held-out loss {best['loss']:.4f}" in (out / "checkpoints" / "captions.txt").read_text()
    with open(out / "checkpoints" / "log.csv", newline="") as stream:
        table = {row["step"]: row["heldout_loss"] for row in csv.DictReader(stream)}
    assert float(table[str(best["step"])]) == best["loss"]


@pytest.mark.parametrize("recipe", ["calvin-7b-stage2", "calvin-7b-stage2-prefix"])
def test_what_was_trained_is_evaluated_describes_and_is_adapted(
    recipe: str, folder: Path, tmp_path: Path, make_film: Callable[..., Path]
) -> None:
    """The model, and the adapter that the prefix recipe leaves, which stands for one."""
    model, data = folder / "runs" / recipe / "model", folder / "data"
    calvin("evaluate", model, "--data", data / "mad.csv", "--features", data / "mad.h5", "-c", 3, "--limit", 4,
           "--metrics", "cider", "-o", tmp_path / "scores")  # fmt: skip
    assert (tmp_path / "scores" / "report.html").is_file()
    film = make_film(tmp_path / "film.mp4", (3.0, 3.0, 3.0, 3.0))
    project, table, regular = (tmp_path / name for name in ("p", "c.csv", "r.safetensors"))
    calvin("describe", film, "-m", model, "-o", project, "-f", "vtt", "-c", 1)
    calvin("pick", project, "-n", 2, "-o", table)
    with open(table, newline="") as stream:
        rows = list(csv.DictReader(stream))
    with open(table, "w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows([{**row, "text": f"Mara waves near the lamp {number}."} for number, row in enumerate(rows)])
    vectors = MemoryFeatures({"other": np.random.default_rng(0).normal(size=(20, 24))})
    samples = [
        Sample(str(i), "mad", "other", "video", "A man waves.", Span(i * 1000, i * 1000 + 900)) for i in range(4)
    ]
    base = Calvin.from_pretrained(model)
    write_regularisation(regular, samples, vectors, base.encoder, EntityStripper(), max_frames=4)
    calvin("adapt", project, "-c", table, "-m", model, "-o", tmp_path / "adapted", "--regularisation", regular,
           "--iterations", 2)  # fmt: skip
    facts = adapter_facts(tmp_path / "adapted")
    assert facts["base"] == base.fingerprint
    assert facts["kind"] == ("prefix" if recipe.endswith("prefix") else "lora")
    calvin("describe", project, "-m", model, "--adapter", tmp_path / "adapted", "-f", "vtt")
