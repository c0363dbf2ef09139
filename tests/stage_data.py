"""A data file with sources of made-up vectors, and the 7B recipes shrunk so that their stages run in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calvin.data import FeatureWriter
from calvin.model import encoder_identity
from calvin.training.recipes import RECIPES
from calvin.training.steps import Recipe

IMAGES, FILMS, SCENES = 40, 3, 12
PEOPLE, VERBS, THINGS = ("a man", "a woman"), ("waves", "bows", "walks", "sits"), ("the lamp", "the house")


def captions(count: int) -> list[str]:
    return [
        f"{PEOPLE[i % 2]} in {'red' if i % 3 else 'blue'} {VERBS[i % 4]} near {THINGS[i // 4 % 2]}"
        for i in range(count)
    ]


def write_data(folder: Path, language: Path, tower: Path, dim: int, bert: Path | None = None) -> Path:
    """`data.toml` with the sources cc3m, cc12m (images) and mad (films), their vectors named as the tower's."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder_id, encoder_hash = encoder_identity(tower)
    rng = np.random.default_rng(0)
    told = captions(IMAGES)
    for name, rows in (
        ("cc3m", [f"{text}\thttps://example.org/{i}.jpg" for i, text in enumerate(told)]),
        ("cc12m", [f"https://example.org/{i}.jpg\t{text}" for i, text in enumerate(told)]),
    ):
        (folder / f"{name}.tsv").write_text("\n".join(rows) + "\n")
        with FeatureWriter(folder / f"{name}.h5", encoder_id, encoder_hash, 1.0, dim) as writer:
            for i in range(IMAGES):
                writer.add(f"{i:09d}", rng.normal(size=(1, dim)).astype(np.float32))
    scenes = ["text,start,end,movie"]
    with FeatureWriter(folder / "mad.h5", encoder_id, encoder_hash, 5.0, dim) as writer:
        for film in range(FILMS):
            movie = f"900{film}_A_MADE_UP_FILM_{film}"
            writer.add(movie, rng.normal(size=(SCENES * 20, dim)).astype(np.float32))
            scenes += [f'"{text}.",{4 * i},{4 * i + 2},{movie}' for i, text in enumerate(captions(SCENES))]
    (folder / "mad.csv").write_text("\n".join(scenes) + "\n")
    parts = [f'language = "{language}"', f'vision = "{tower}"', *([f'bert = "{bert}"'] if bert else [])]
    sources = [
        f'[[sources]]\nname = "{name}"\nformat = "{form}"\nannotations = "{rows}"\nfeatures = "{name}.h5"'
        for name, form, rows in (
            ("cc3m", "cc3m", "cc3m.tsv"),
            ("cc12m", "cc12m", "cc12m.tsv"),
            ("mad", "mad", "mad.csv"),
        )
    ]
    text = "\n".join(["[model]", *parts, "", *sources, ""])
    path = folder / "data.toml"
    path.write_text(text.replace('format = "mad"', 'format = "mad_csv"'))
    return path


def shrunk(
    stage: int, steps: int, accumulation: int, batch: int = 4, look_every: int | None = None, **parallel: Any
) -> Recipe:
    """Stage 1 or 2 of the 7B recipes at a few steps; a constant rate, so that halving the steps changes nothing."""
    recipe = RECIPES[f"calvin-7b-stage{stage}"]
    (step,) = recipe.stages
    weights = {"cc12m": 1.0} if stage == 1 else {"mad": 0.5, "cc3m": 0.5}
    loop = {
        "steps": steps,
        "gradient_accumulation_steps": accumulation,
        "max_lr": 1e-3,
        "warmup_steps": 0,
        "schedule": "constant",
        "checkpoint_every": 2,
        "log_every": 1,
        "precision": "fp32",
    }
    changed = step.with_changes(
        weights=weights,
        batch_sizes={"image": batch, "video": batch},
        max_frames=8,
        lora_rank=4,
        loop=loop,
        validation={"evaluate_every": look_every, "held_out": 8, "keep_best": look_every is not None},
        parallel={"activation_checkpointing": True, **parallel},
    )
    qformer = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 128}
    model = {"num_query_tokens": 4, "qformer": qformer}
    return recipe.changed(steps=[changed.model_dump()], model=model)
