from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from calvin.captioners import CAPTIONERS, CaptionRequest, FeatureCaptioner, open_captioner
from calvin.captioners.calvin import Calvin
from calvin.captioners.hub import find_model, fingerprint_of
from calvin.captioners.known_footage import World
from calvin.captioners.registry import CaptionerKind
from calvin.core.errors import CheckpointError, DataError, MissingExtraError
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.types import Scene
from calvin.model.generation import Candidate


@pytest.fixture(scope="module")
def calvin(tiny_model: Path) -> Calvin:
    return Calvin.from_pretrained(tiny_model)


@pytest.fixture
def copied(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "copy"))


def scene(seed: int, frames: int = 5, width: int = 24) -> Scene:
    embeds = np.random.default_rng(seed).normal(size=(frames, width)).astype(np.float32)
    return Scene(f"s{seed}", "film", Span(0, 1000), embeds)


def test_it_is_a_captioner_that_reads_features(calvin: Calvin) -> None:
    assert isinstance(calvin, FeatureCaptioner)
    assert calvin.needs == {"features"}
    assert calvin.encoder.id == "tiny-tower"
    assert len(calvin.encoder.hash) == 64
    assert calvin.max_frames == 8
    assert calvin.info.card == "Random weights, for tests."
    assert calvin.notice(np.zeros((40, 24))) is None


def test_a_batch_gives_each_request_the_answer_it_gets_alone(calvin: Calvin) -> None:
    requests = [CaptionRequest(scene(i, frames=i + 1), Prompt(context=("a man waves",) * (i % 3))) for i in range(5)]
    together = calvin.caption(requests, num_beams=3, max_new_tokens=8, batch=3)
    alone = [calvin.caption([request], num_beams=3, max_new_tokens=8)[0] for request in requests]
    assert [answer.text for answer in together] == [answer.text for answer in alone]
    assert [answer.score for answer in together] == pytest.approx([answer.score for answer in alone], abs=1e-4)
    assert all(len(answer.candidates) == 3 for answer in together)
    assert calvin.caption([]) == []


def test_the_previous_caption_is_not_repeated(calvin: Calvin) -> None:
    request = CaptionRequest(scene(1), Prompt())
    [first] = calvin.caption([request], max_new_tokens=6)
    chosen = next(text for text in first.candidates if text)
    calm = [text for text in first.candidates if text]
    assert len(set(calm)) > 1, "the test needs candidates that differ"
    [answer] = calvin.caption([CaptionRequest(request.scene, Prompt(context=(chosen,)))], max_new_tokens=6)
    assert answer.text != chosen


def test_barred_words_are_not_said_whole_and_others_of_the_batch_are_left_alone(calvin: Calvin) -> None:
    free = [CaptionRequest(scene(i), Prompt()) for i in (1, 2)]
    answers = calvin.caption(free, max_new_tokens=8)
    assert " waves" in answers[0].text
    [barred, other] = calvin.caption([replace(free[0], barred=("waves",)), free[1]], max_new_tokens=8)
    assert not any(" waves" in text for text in barred.candidates)
    assert other.text == answers[1].text


def test_frames_become_vectors_of_the_encoders_width(calvin: Calvin) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (3, 40, 70, 3), dtype=np.uint8)
    vectors = calvin.encode_frames(rgb)
    assert vectors.shape == (3, 24)
    assert vectors.dtype == np.float32


def test_a_scene_without_features_is_named(calvin: Calvin) -> None:
    with pytest.raises(DataError, match="Scene bare carries no frame vectors"):
        calvin.caption([CaptionRequest(Scene("bare", "film", Span(0, 1)), Prompt())])


def test_a_world_in_the_folder_is_used(copied: Path) -> None:
    World.fit(np.random.default_rng(0).normal(size=(200, 24)), "tiny films").save(copied)
    notice = Calvin.from_pretrained(copied).notice(np.full((50, 24), 100.0))
    assert notice is not None
    assert "tiny films" in notice.message


def test_the_fingerprint_follows_what_decides_the_words(copied: Path) -> None:
    before = fingerprint_of(copied)
    (copied / "README.md").write_text("Another card.")
    assert fingerprint_of(copied) == before
    weights = load_file(copied / "model.safetensors")
    name = sorted(weights)[0]
    weights[name] = weights[name] + 1
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    assert fingerprint_of(copied) != before


def test_a_missing_tensor_and_a_wrong_shape_are_named(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    name = next(key for key in weights if "query_tokens" in key)
    without = {key: value for key, value in weights.items() if key != name}
    save_file(without, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="query_tokens is missing"):
        Calvin.from_pretrained(copied)
    save_file(
        {**weights, name: weights[name][..., :-1].copy()}, copied / "model.safetensors", metadata={"format": "pt"}
    )
    with pytest.raises(CheckpointError, match=r"query_tokens has shape .* was expected"):
        Calvin.from_pretrained(copied)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no model folder"):
        find_model(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="not a model folder"):
        find_model(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(CheckpointError, match="not a CALVIN"):
        Calvin.from_pretrained(tmp_path)


def test_captioners_are_opened_by_kind(tiny_model: Path) -> None:
    assert open_captioner(f"calvin:{tiny_model}").info.fingerprint == fingerprint_of(tiny_model)
    assert set(CAPTIONERS) >= {"calvin"}
    with pytest.raises(MissingExtraError, match=r"calvin-ad\[videollm\]"):
        CaptionerKind("other", "", "calvin_absent_package:open", extra="videollm").load()


def test_a_short_caption_is_the_best_whole_one_within_its_words(
    calvin: Calvin, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocabulary = calvin.processor.tokenizer.get_vocab()

    def ids(text: str, score: float) -> Candidate:
        return Candidate(tuple(vocabulary[word] for word in text.split()), score)

    offered = {
        "▁a": ["▁man ▁in ▁a ▁red ▁coat ▁waves .", "▁man ▁waves ▁the .", "▁man ▁bows ."],
        "▁the": ["▁woman ▁waves .", "▁woman ▁waves", "▁man ▁walks ▁near ▁the ▁house " * 5],
    }
    prompts: list[list[int]] = []

    def generate(input_ids: torch.Tensor, **options: object) -> list[list[Candidate]]:
        if options["max_new_tokens"] == 1:
            return [[ids("▁a", -0.5), ids("▁the", -0.6), Candidate((), -0.7)]]
        prompts.extend(input_ids[:, -1:].tolist())
        return [[ids(text, -0.1 * i) for i, text in enumerate(texts)] for texts in offered.values()]

    monkeypatch.setattr(calvin.model, "generate_candidates", generate)
    [answer] = calvin.caption([CaptionRequest(scene(1), Prompt(), max_words=4)])
    assert answer.candidates == ("The woman waves.", "A man bows.")
    assert answer.text == "The woman waves."
    assert answer.score == pytest.approx(-0.6 / 5)
    assert prompts == [[vocabulary["▁a"]], [vocabulary["▁the"]]]
    [again] = calvin.caption([CaptionRequest(scene(1), Prompt(context=("The woman waves.",)), max_words=4)])
    assert again.text == "A man bows."
    assert calvin.caption([CaptionRequest(scene(1), Prompt(), max_words=2)])[0].text == ""


def test_short_captions_come_from_the_model_itself(calvin: Calvin) -> None:
    answers = calvin.caption([CaptionRequest(scene(1), Prompt(), max_words=3), CaptionRequest(scene(9), Prompt())])
    assert len(answers[0].text.split()) <= 3
    assert len(answers[1].candidates) == 5


def test_short_captions_of_several_lengths_are_searched_together_and_are_what_each_is_alone(
    calvin: Calvin, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [CaptionRequest(scene(seed), Prompt(), max_words=words) for seed, words in enumerate((3, 9, 5, 4))]
    alone = [calvin.caption([one])[0] for one in requests]
    calls, search = [], calvin.model.generate_candidates
    monkeypatch.setattr(calvin.model, "generate_candidates", lambda **inputs: calls.append(1) or search(**inputs))
    together = calvin.caption(requests)
    assert [one.candidates for one in together] == [one.candidates for one in alone]
    assert [one.score for one in together] == pytest.approx([one.score for one in alone], abs=1e-5)
    assert len(calls) == 2


def test_a_model_that_a_killed_writer_had_taken_away_is_found(copied: Path) -> None:
    copied.rename(copied.parent / f".calvin-old-{copied.name}")
    assert find_model(str(copied)) == copied
    assert (copied / "config.json").is_file()
