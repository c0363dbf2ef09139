"""The message and the prompt that every video LLM gets."""

from __future__ import annotations

import base64
from collections.abc import Callable

import numpy as np
import pytest

from calvin.captioners import CaptionRequest
from calvin.captioners.base import Licence
from calvin.captioners.messages import NAMELESS, STYLE, UNSEEN, Message, build_message, rgb, stills, video_metadata
from calvin.core.errors import DataError, MediaError
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.types import Frame, Scene

MakeScene = Callable[..., Scene]


def message_of(scene: Scene) -> Message:
    assert scene.frames is not None
    return Message(("Before.", *scene.frames(), "After."))


def test_stills_in_a_row_are_one_video(make_scene: MakeScene) -> None:
    message = message_of(make_scene(3))
    before, video, after = message.to_hf()["content"]
    assert (before, after) == ({"type": "text", "text": "Before."}, {"type": "text", "text": "After."})
    assert video["type"] == "video"
    assert video["video"].shape == (3, 24, 32, 3)
    np.testing.assert_array_equal(video["video"][2], rgb(message.frames[2]))


def test_or_a_picture_each_after_its_time(make_scene: MakeScene) -> None:
    content = message_of(make_scene(2, 61_000)).to_hf(as_video=False)["content"]
    assert [part["type"] for part in content] == ["text", "text", "image", "text", "image", "text"]
    assert [content[1]["text"], content[3]["text"]] == ["<61.0 seconds>", "<61.2 seconds>"]
    assert content[2]["image"].size == (32, 24)


def test_a_server_gets_the_very_jpegs(make_scene: MakeScene) -> None:
    message = message_of(make_scene(2))
    content = message.to_openai()["content"]
    urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    assert [base64.b64decode(url.partition(",")[2]) for url in urls] == [frame.jpeg for frame in message.frames]


def test_times_and_mean_rate_are_exact() -> None:
    from transformers.video_utils import VideoMetadata

    frames = [Frame(time, b"") for time in (61_000, 61_400, 61_800)]
    metadata = VideoMetadata(**video_metadata(frames))
    assert metadata.timestamps == [61.0, 61.4, 61.8]
    assert metadata.sampled_fps == pytest.approx(2.5)
    assert VideoMetadata(**video_metadata(frames[:1] * 2)).sampled_fps > 0


def test_the_prompt_holds_what_calvin_is_told_and_the_style(make_scene: MakeScene) -> None:
    scene = make_scene(4)
    prompt = Prompt(context=("Ann  waits.", "", "Bob <video> comes."), entities=("Ann", "Bob"))
    message = build_message(CaptionRequest(scene, prompt, max_words=9), stills(CaptionRequest(scene, prompt), 2))
    first, *_, last = message.parts
    assert str(first).splitlines()[1:] == ["Ann waits.", "Bob ‹video› comes."]
    assert [frame.time_ms for frame in message.frames] == [200, 600]
    assert last == (
        f"The characters and entities in the scene are Ann and Bob. Describe this visual. {STYLE} Use at most 9 words."
    )
    for wish in ("one short sentence", "present tense", "Do not mention the camera"):
        assert wish in STYLE


def test_asked_again_a_model_is_told_not_to_name_anybody_but_those_it_may(make_scene: MakeScene) -> None:
    scene = make_scene(1)
    for may, said in ((set(), NAMELESS), ({"Bob", "Ann"}, f"{NAMELESS} You may name Ann and Bob.")):
        request = CaptionRequest(scene, Prompt(), licence=Licence(frozenset(may)), barred=("Odette",))
        text = build_message(request, stills(request, 1)).text
        assert text.endswith(f"{STYLE} {said}")
        assert "Odette" not in text, "a name that is read is a name that is said"


def test_the_blind_are_told_to_guess(make_scene: MakeScene) -> None:
    message = build_message(CaptionRequest(make_scene(1), Prompt()), ())
    assert message.text.startswith(UNSEEN)
    assert "Describe this visual" not in message.text


def test_what_cannot_be_shown_is_named() -> None:
    bare = CaptionRequest(Scene("bare", "f", Span(0, 9), frames=lambda: []), Prompt())
    with pytest.raises(DataError, match="Scene bare carries no stills"):
        stills(bare, 4)
    with pytest.raises(MediaError, match="still at 7 ms cannot be read"):
        Message((Frame(7, b"no jpeg"),)).to_hf()
