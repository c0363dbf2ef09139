"""`benchmarks/captions_7b.py` on small models: what it gives both, and the form of what it prints."""

from __future__ import annotations

import argparse
import re

import pytest
import torch

from benchmark_of import benchmark_of
from calvin.model import CalvinForConditionalGeneration

benchmark = benchmark_of("captions_7b")

SMALL = ["--scale", "tiny", "--device", "cpu", "--clips", "3", "--new", "3", "--prompt", "5", "--rounds", "1"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_four_rates_and_their_ratios_are_printed(capsys: pytest.CaptureFixture[str], dtype: str) -> None:
    assert benchmark.main([*SMALL, "--batch", "2", "--their-batch", "2", "--dtype", dtype]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == f"tiny, cpu, {dtype}: 3 clips of 8 frames, prompts of 5 tokens, 3 new tokens, beams 1"
    assert [line.split(":")[0] for line in lines[:4]] == [
        "Video-LLaVA, one clip at a time",
        "Video-LLaVA, 2 at a time",
        "CALVIN from pixels, 2 at a time",
        "CALVIN from frame vectors, 2 at a time",
    ]
    rates = [float(line.split(": ")[1].removesuffix(" captions/s").replace(",", "")) for line in lines[:4]]
    ratios = [[float(number) for number in re.findall(r"([0-9.]+) times", line)] for line in lines[4:6]]
    for row, ours in zip(ratios, (rates[3], rates[2]), strict=True):
        # The rates are rounded to hundredths, the ratios to tenths.
        assert row == pytest.approx([ours / rates[0], ours / rates[1]], rel=0.05, abs=0.06)


@pytest.mark.parametrize(("times", "code", "said"), [(10, 0, "reached"), (9, 1, "missed")])
def test_the_bound_is_held_at_full_size_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, times: int, code: int, said: str
) -> None:
    taken = iter([7.0] * 4 + [1.0 * times, 5.0, 2.0, 1.0])  # the first round warms up
    monkeypatch.setattr(benchmark, "seconds_of", lambda work, expected: next(taken))
    options = argparse.Namespace(scale="7b", clips=4, new=3, prompt=5, beams=1, rounds=1)
    assert benchmark.report(options, dict.fromkeys("abcd", torch.empty), "cuda, bfloat16") == code
    assert said in capsys.readouterr().out.splitlines()[-1]


def test_pixels_and_their_frame_vectors_are_captioned_alike() -> None:
    cpu = torch.device("cpu")
    model = benchmark.build(CalvinForConditionalGeneration, benchmark.calvin_config("tiny"), cpu, torch.float32)
    clips = benchmark.Clips.drawn(3, 5, 56, 300, cpu, torch.float32)
    with torch.inference_mode():
        vectors = model.encode_frames(clips.pixels)
    assert not torch.equal(vectors[0], vectors[1]), "the clips differ"
    from_pixels, from_vectors = (benchmark.calvin_captions(model, clips, 2, 4, 1, given) for given in (None, vectors))
    assert from_pixels.shape == (3, 4)
    assert torch.equal(from_pixels, from_vectors)


def test_the_full_size_is_the_papers_beside_video_llavas() -> None:
    ours, theirs = benchmark.calvin_config("7b"), benchmark.video_llava_config("7b")
    assert ours.num_query_tokens == 32
    assert theirs.video_seq_length == 8 * 257
    assert (theirs.vision_config.image_size // theirs.vision_config.patch_size) ** 2 == 256
    same = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    assert [getattr(ours.text_config, name) for name in same] == [getattr(theirs.text_config, name) for name in same]
    assert theirs.video_token_index < theirs.text_config.vocab_size


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--scale", "7b", "--device", "cpu"], "need a GPU"), ([*SMALL, "--batch", "0"], "1 or more")],
)
def test_what_cannot_be_measured_is_said(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit):
        benchmark.main(arguments)
    assert said in capsys.readouterr().err
