"""Video LLMs without torchvision: stills as pictures where PIL can prepare them, else a command that is safe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers.image_processing_backends import TorchvisionBackend

from calvin.captioners import CaptionRequest, OpenOptions, open_captioner
from calvin.captioners.hub import ALIASES
from calvin.captioners.messages import build_message, shown_stills
from calvin.captioners.processors import NoVideos, sees_videos, sight
from calvin.captioners.video_llm import VideoLlm
from calvin.core.errors import UsageError
from calvin.core.prompts import Prompt
from calvin.core.types import Scene
from tiny_video_llms import TINY, save_tiny

MakeScene = Callable[..., Scene]
PICTURES = sorted(set(TINY) - {"instructblip-video", "lfm2-vl", "molmo2"})


@pytest.fixture
def without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `find_spec` finds it where torchvision is not installed."""
    monkeypatch.setattr("calvin.captioners.processors.find_spec", lambda _: None)


@pytest.mark.usefixtures("without_torchvision")
@pytest.mark.parametrize("name", PICTURES)
def test_stills_are_shown_as_pictures_after_their_times(name: str, tmp_path: Path, make_scene: MakeScene) -> None:
    captioner = open_captioner(str(save_tiny(name, tmp_path / name)), OpenOptions(frames=3))
    assert isinstance(captioner, VideoLlm)
    assert not sees_videos(captioner.processor)
    assert not isinstance(captioner.processor.image_processor, TorchvisionBackend)
    one, other = [CaptionRequest(make_scene(4, start), Prompt(context=("<video> Ann",))) for start in (1000, 2000)]
    first, second = captioner.caption([one, other])
    assert first.text or second.text
    assert first.score != second.score
    assert captioner.caption([one])[0].score == pytest.approx(first.score, abs=1e-3)
    ids = captioner._inputs([build_message(one, shown_stills(one, 3))])["input_ids"][0]
    told = captioner.processor.tokenizer.decode(ids)
    assert [told.count(words) for words in (" seconds>", "<1.0 seconds>", "<1.6 seconds>")] == [3, 1, 1]


@pytest.mark.usefixtures("without_torchvision")
@pytest.mark.parametrize("name", ["instructblip-video"])
def test_what_reads_videos_alone_is_told_the_safe_command(name: str, tmp_path: Path) -> None:
    folder = save_tiny(name, tmp_path / name)
    with pytest.raises(UsageError, match=r"built for the torch that is here: run `pip install --no-deps .*torchvision"):
        open_captioner(str(folder))


def test_pictures_and_video_are_told_apart_in_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(save_tiny("smolvlm", tmp_path / "m"))
    video = open_captioner(folder)
    monkeypatch.setattr("calvin.captioners.processors.find_spec", lambda _: None)
    pictures = open_captioner(folder)
    assert isinstance(video, VideoLlm)
    assert isinstance(pictures, VideoLlm)
    assert (sees_videos(video.processor), sees_videos(pictures.processor)) == (True, False)
    assert video.info.fingerprint != pictures.info.fingerprint


@pytest.mark.usefixtures("without_torchvision")
def test_a_small_still_is_not_cut_into_tiles(tmp_path: Path, make_scene: MakeScene) -> None:
    folder = save_tiny("smolvlm", tmp_path / "m")
    path = folder / "processor_config.json"
    values = json.loads(path.read_text())
    values["image_processor"] |= {"do_image_splitting": True, "size": {"longest_edge": 112}}
    path.write_text(json.dumps(values))
    captioner = open_captioner(str(folder), OpenOptions(frames=2))
    assert isinstance(captioner, VideoLlm)
    request = CaptionRequest(make_scene(2), Prompt())
    assert captioner._inputs([build_message(request, shown_stills(request, 2))])["pixel_values"].shape[1] == 2


def test_a_stand_in_holds_the_settings_and_nothing_else() -> None:
    stand_in = NoVideos({"num_frames": 64})
    assert (stand_in.num_frames, stand_in.fps, stand_in.to_dict()) == (64, None, {"num_frames": 64})
    with pytest.raises(AttributeError):
        stand_in.__deepcopy__  # noqa: B018


def test_templates_that_may_think_are_asked_not_to(tmp_path: Path, make_scene: MakeScene) -> None:
    folder = save_tiny("qwen3.5", tmp_path / "m")
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + "{% if enable_thinking is false %} door door{% endif %}")
    captioner = open_captioner(str(folder))
    assert isinstance(captioner, VideoLlm)
    request = CaptionRequest(make_scene(2), Prompt())
    ids = captioner._inputs([build_message(request, shown_stills(request, 2))])["input_ids"][0]
    assert captioner.processor.tokenizer.decode(ids).endswith(" door door")


def test_every_alias_is_of_a_family_that_is_tested() -> None:
    """Its name begins with that of a tiny model, which test_contract asks."""
    assert [alias for alias in ALIASES if not alias.startswith(tuple(TINY))] == []


@pytest.mark.parametrize(
    ("size", "more", "seen"),
    [
        ({"shortest_edge": 65_536, "longest_edge": 16_777_216}, {}, 768),  # Qwen's: areas
        ({"longest_edge": 2048}, {"max_image_size": {"longest_edge": 512}}, 512),  # SmolVLM2's
        ({"longest_edge": 512}, {}, 512),
        ({"height": 448, "width": 448}, {}, 768),  # InternVL's: what is wide is squeezed to that
        ({"shortest_edge": 336}, {}, 672),
        ({"shortest_edge": 224}, {}, 448),
        ({"height": 224, "width": 224}, {}, 448),
        (None, {}, 768),
    ],
)
def test_how_large_pictures_are_that_a_processor_makes_use_of(size: Any, more: dict[str, Any], seen: int) -> None:
    kind = SimpleNamespace(size=size, **more)
    assert sight(SimpleNamespace(video_processor=NoVideos({}), image_processor=kind)) == seen
    assert sight(SimpleNamespace(video_processor=kind, image_processor=None)) == seen
