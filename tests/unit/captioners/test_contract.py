"""What every captioner promises, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calvin.captioners import CAPTIONERS, Captioner, CaptionRequest, OpenOptions, open_captioner
from calvin.captioners.answers import RULES
from calvin.captioners.server import Server
from calvin.captioners.video_llm import VideoLlm
from calvin.core.errors import CheckpointError, DataError, UsageError
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.types import Scene
from model_server import running, says
from tiny_video_llms import TINY, save_tiny, save_tiny_language_model

MakeScene = Callable[..., Scene]
KINDS = ["calvin", "openai", "blind", *TINY]


@pytest.fixture(scope="module", params=KINDS)
def captioner(
    request: pytest.FixtureRequest, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Captioner]:
    kind = request.param
    folder = tmp_path_factory.mktemp(kind)
    if kind == "openai":
        with running(says("A man walks.")) as server:
            yield open_captioner(server.model, OpenOptions(frames=3))
    elif kind == "calvin":
        yield open_captioner(str(tiny_model))
    elif kind == "blind":
        yield open_captioner(f"blind:{save_tiny_language_model(folder)}")
    else:
        yield open_captioner(str(save_tiny(kind, folder)), OpenOptions(frames=3))


@pytest.fixture(scope="module")
def asks(make_scene: MakeScene) -> list[CaptionRequest]:
    """A single still, few, and more than are looked at; with and without context and names; control words in it."""
    return [
        CaptionRequest(make_scene(1), Prompt()),
        CaptionRequest(make_scene(8, 60_000), Prompt(context=("Ann sits.", "Bob: <video> <image> </s>"))),
        CaptionRequest(make_scene(2, 5_000), Prompt(context=("Ann sits.",), entities=("Ann <|video_pad|>", "Bob"))),
    ]


def test_each_request_is_answered_in_its_place(captioner: Captioner, asks: list[CaptionRequest]) -> None:
    together = captioner.caption(asks)
    assert len(together) == len(asks)
    for ask, answer in zip(asks, together, strict=True):
        [alone] = captioner.caption([ask])
        assert alone.text == answer.text
        assert alone.score == pytest.approx(answer.score, abs=1e-3)
        assert answer.text == " ".join(answer.text.split())
        assert answer.candidates
        assert set(answer.cleaned) <= set(RULES)
        assert answer.score <= 0
    assert any(answer.text for answer in together)
    assert captioner.caption([]) == []


def test_it_says_who_it_is_and_what_it_needs(captioner: Captioner) -> None:
    assert isinstance(captioner, Captioner)
    assert captioner.info.name
    assert len(captioner.info.fingerprint) == 64
    assert captioner.needs <= {"features", "frames"}


def test_a_scene_without_what_it_needs_is_named(captioner: Captioner) -> None:
    request = CaptionRequest(Scene("bare", "f", Span(0, 1000)), Prompt(context=("Ann sits.",)))
    if captioner.needs:
        with pytest.raises(DataError, match="Scene bare carries no"):
            captioner.caption([request])
    else:
        assert len(captioner.caption([request])) == 1


def test_what_is_seen_or_read_shapes_the_words(captioner: Captioner, make_scene: MakeScene) -> None:
    """The score of the answer moves with the stills, unless it is blind, and with the context."""
    one, other, told = captioner.caption(
        [
            CaptionRequest(make_scene(4, 1000), Prompt()),
            CaptionRequest(make_scene(4, 2000), Prompt()),
            CaptionRequest(make_scene(4, 1000), Prompt(context=("a man waves",))),
        ]
    )
    if isinstance(captioner, Server):  # it tells no score; what it is sent is tested in test_server.py
        assert one.score == other.score == told.score == 0
        return
    assert (one.score != other.score) == bool(captioner.needs)
    assert one.score != told.score


def test_every_kind_is_under_contract() -> None:
    assert set(CAPTIONERS) == {"calvin", "openai", "blind", "hf"}


def test_instructblip_takes_four_stills_and_the_others_what_is_asked_for(tmp_path: Path) -> None:
    blip = open_captioner(str(save_tiny("instructblip-video", tmp_path / "b")), OpenOptions(frames=9))
    qwen = open_captioner(f"hf:{save_tiny('qwen3-vl', tmp_path / 'q')}", OpenOptions(frames=9))
    assert isinstance(blip, VideoLlm)
    assert isinstance(qwen, VideoLlm)
    assert (blip.frames, qwen.frames) == (4, 9)


def test_a_checkpoint_from_before_instructblip_knew_videos_is_completed(tmp_path: Path, make_scene: MakeScene) -> None:
    import json

    folder = save_tiny("instructblip-video", tmp_path / "old")
    config = json.loads((folder / "config.json").read_text())
    assert config.pop("video_token_index") is not None
    (folder / "config.json").write_text(json.dumps(config))
    for path in folder.glob("*processor*.json"):
        values = json.loads(path.read_text())
        values.pop("num_query_tokens", None)
        path.write_text(json.dumps(values))
    [answer] = open_captioner(str(folder)).caption([CaptionRequest(make_scene(2), Prompt())])
    assert answer.text


def test_times_reach_the_prompt(tmp_path: Path, make_scene: MakeScene) -> None:
    """Qwen3-VL writes when its frames were shown, two at a time; SmolVLM each in minutes and seconds."""
    from calvin.captioners.messages import build_message, shown_stills

    request = CaptionRequest(make_scene(4, 61_000), Prompt())
    message = build_message(request, shown_stills(request, 4))
    for name, seen in (("qwen3-vl", "<61.1 seconds>"), ("smolvlm", "Frame from 01:01:")):
        captioner = open_captioner(str(save_tiny(name, tmp_path / name)))
        assert isinstance(captioner, VideoLlm)
        ids = captioner._inputs([message])["input_ids"][0]
        assert seen in captioner.processor.tokenizer.decode(ids)


def test_what_is_no_video_llm_is_refused(tmp_path: Path) -> None:
    language = save_tiny_language_model(tmp_path / "language")
    with pytest.raises(CheckpointError, match="is a llama model, not one that looks"):
        open_captioner(f"hf:{language}")
    silent = save_tiny("video-llava", tmp_path / "silent")
    (silent / "chat_template.jinja").unlink()
    with pytest.raises(CheckpointError, match="no chat template"):
        open_captioner(str(silent))
    with pytest.raises(UsageError, match="smolvlm2"):
        open_captioner("hf:")
    with pytest.raises(UsageError, match="bitsandbytes"):
        open_captioner(str(silent), OpenOptions(four_bit=True))


def test_a_video_llm_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_tiny("smolvlm", tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    name = sorted(weights)[0]
    save_file({k: v for k, v in weights.items() if k != name}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match="incomplete"):
        open_captioner(str(folder))
