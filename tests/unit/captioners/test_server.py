"""The captioner that asks a server, against a real one that answers right, slowly, wrongly or not at all."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest

from calvin.captioners import CaptionRequest, OpenOptions, open_captioner
from calvin.captioners.messages import HARMLESS
from calvin.captioners.server import BUDGETS, Server
from calvin.captioners.server_address import Address
from calvin.captioners.server_http import MAX_ANSWER
from calvin.captioners.surroundings import Surroundings
from calvin.core.errors import DataError, ServerError, UsageError
from calvin.core.masking import SERVER_KEY
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.types import Frame, Scene
from calvin.media.film.frames import encode_jpeg, longer_side
from model_server import cut_short, drip, drip_headers, interim, problem_of, running, says, send, slowly, status
from own_loop import run_apart

MakeScene = Callable[..., Scene]


@pytest.fixture
def ask(make_scene: MakeScene) -> CaptionRequest:
    return CaptionRequest(make_scene(12, start_ms=12_000), Prompt(context=("Ann waits.",), entities=("Ann", "Bob")))


@pytest.fixture
def naps() -> list[float]:
    return []


@pytest.fixture
def connect(naps: list[float]) -> Callable[..., Server]:
    def make(url: str, **options: object) -> Server:
        async def nap(seconds: float) -> None:
            naps.append(seconds)

        settings = {"sleep": nap, "timeout_s": 5.0, **options}
        return Server(Address.parse(f"{url}#tiny"), **settings)  # type: ignore[arg-type]

    return make


def test_one_user_message_with_times_and_pictures_in_turn(ask: CaptionRequest, connect: Callable[..., Server]) -> None:
    with running(says("The video shows that a man walks. He sits.")) as server:
        [answer] = connect(server.url, frames=3).caption([ask])
    assert answer.text == "A man walks."
    assert answer.candidates == ("A man walks.",)
    assert answer.said == "The video shows that a man walks. He sits."
    assert set(answer.cleaned) == {"openers", "further sentences"}
    [body] = server.asked
    assert problem_of(body) is None
    assert body["model"] == "tiny"
    parts = body["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text", *["text", "image_url"] * 3, "text"]
    assert "Ann waits." in parts[0]["text"]
    assert [part["text"] for part in parts[1:7:2]] == ["<12.4 seconds>", "<13.2 seconds>", "<14.0 seconds>"]
    assert parts[-1]["text"].startswith(
        "The characters and entities in the scene are Ann and Bob. Describe this visual."
    )
    assert "Authorization" not in server.headers[0]


def test_answers_stay_in_order_though_requests_run_side_by_side(
    make_scene: MakeScene, connect: Callable[..., Server]
) -> None:
    def by_time(handler: Any) -> None:
        text = handler.body["messages"][0]["content"][0]["text"]
        slowly(0.2 if text == "<0.2 seconds>" else 0.0, says(f"Seen at {text}"))(handler)

    with running(by_time) as server:
        asks = [CaptionRequest(make_scene(3, start_ms=start), Prompt()) for start in (0, 50_000, 90_000)]
        answers = connect(server.url, frames=1, together=3).caption(asks)
        assert [answer.text for answer in answers] == [f"Seen at <{at} seconds>" for at in (0.2, 50.2, 90.2)]
        assert connect(server.url).caption([]) == []


@pytest.mark.parametrize(
    "trouble",
    [
        status(429),
        status(500),
        status(503, "<html>overloaded</html>"),
        status(200, "garbage"),
        status(200, '{"choices": []}'),
        status(200, '{"choices": [{"message": {"content": "A man wa'),
        status(200, "[" * 100_000),
        status(200, '{"choices": [{"message": {"content": null}}]}'),
        cut_short,
        slowly(0.7, says("Too late.")),
        drip(0.1),
        lambda handler: send(handler, 200, b" " * (MAX_ANSWER + 1)),
        drip_headers,
        interim,
        lambda handler: send(handler, 200, b"no gzip", Content_Encoding="gzip"),
        lambda handler: send(handler, 200, b"{", Content_Encoding="deflate"),
    ],
    ids=[
        "429", "500", "html", "garbage", "empty", "truncated", "deep", "null", "cut", "slow", "drip", "huge",
        "dripped headers", "interim answers", "bad gzip", "bad deflate",
    ],
)  # fmt: skip
def test_passing_trouble_is_waited_out(
    trouble: Callable[..., None], ask: CaptionRequest, connect: Callable[..., Server], naps: list[float]
) -> None:
    with running(None, trouble, trouble) as server:
        [answer] = connect(server.url, timeout_s=0.4).caption([ask])
    assert answer.text == "A man walks."
    assert len(server.asked) == 3
    assert 0.7 < naps[0] < 1.3
    assert 1.4 < naps[1] < 2.6


def test_a_server_may_say_how_long_to_wait(
    ask: CaptionRequest, connect: Callable[..., Server], naps: list[float]
) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100))
    plays = [status(429, Retry_After=after) for after in ("7", soon, "Wed, 21 Oct 2015 07:28:00 GMT", "nan")]
    with running(None, *plays) as server:
        connect(server.url).caption([ask])
    assert naps[0] == 7.0
    assert 90 < naps[1] < 101
    assert max(naps[2:]) < 12


@pytest.mark.parametrize("after", ["86400", "121", "1e400", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_a_wait_that_is_too_long_is_said_instead(
    after: str, ask: CaptionRequest, connect: Callable[..., Server], naps: list[float]
) -> None:
    with (
        running(status(429, Retry_After=after)) as server,
        pytest.raises(ServerError, match=r"asks for a wait of [\d,inf]+ minutes.*waits 2 at most.*same command again"),
    ):
        connect(server.url).caption([ask])
    assert naps == []


def test_ctrl_c_ends_at_once_while_a_server_hangs(make_scene: MakeScene) -> None:
    code = (
        # Where the tests run in the background of a shell, Ctrl-C is ignored from the start.
        "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from calvin.captioners.server import Server\n"
        "from calvin.captioners.server_address import Address\n"
        "from calvin.captioners.messages import Message\n"
        "Server(Address.parse(sys.argv[1]))._ask_all([Message(('hello',))] * 6)"
    )
    hangs_s = 120
    with running(slowly(hangs_s, says("Late."))) as server:
        command = [sys.executable, "-c", code, f"{server.url}#tiny"]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as asking:
            try:
                while not server.asked and asking.poll() is None:
                    time.sleep(0.05)
                pressed = time.monotonic()
                asking.send_signal(signal.SIGINT)
                _, said = asking.communicate(timeout=hangs_s)
            finally:
                asking.kill()  # left alive, it would be complained of while some other test runs
    assert b"KeyboardInterrupt" in said
    assert time.monotonic() - pressed < hangs_s / 4


def test_inside_an_event_loop_as_in_a_notebook(ask: CaptionRequest, connect: Callable[..., Server]) -> None:
    async def cell() -> str:
        return connect(server.url).caption([ask])[0].text

    with running() as server:
        assert run_apart(cell()) == "A man walks."


def test_half_an_emoji_is_dropped(ask: CaptionRequest, connect: Callable[..., Server]) -> None:
    with running(status(200, '{"choices": [{"message": {"content": "A man walks \\ud83d"}}]}')) as server:
        [answer] = connect(server.url).caption([ask])
    assert answer.text == "A man walks"
    assert answer.text.encode()


def test_lasting_trouble_ends_in_one_sentence_that_says_what_to_do(
    ask: CaptionRequest, connect: Callable[..., Server]
) -> None:
    with running(status(200, "garbage\x1b[31m")) as server:
        with pytest.raises(ServerError, match=r"no usable answer in 5 tries.*garbage \[31m\).*same command again"):
            connect(server.url).caption([ask])
        assert len(server.asked) == 5
        url = server.url
    with pytest.raises(ServerError, match="gave no usable answer in 2 tries"):
        connect(url, tries=2).caption([ask])


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        *((401, SERVER_KEY), (403, SERVER_KEY), (404, "knows no model tiny")),
        *((400, "status 400"), (302, "another")),
    ],
)
def test_a_refusal_is_final(code: int, hint: str, ask: CaptionRequest, connect: Callable[..., Server]) -> None:
    with running(status(code, Location="http://127.0.0.1:1/")) as server:
        with pytest.raises(ServerError, match=hint):
            connect(server.url).caption([ask])
        assert len(server.asked) == 1


@pytest.mark.parametrize("end", ["\n", "\r\n", " ", "\t", "\u00a0"])
def test_a_key_may_end_in_a_line_end(end: str, ask: CaptionRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER_KEY, f"sk-secret-7{end}")
    with running() as server:
        open_captioner(server.model).caption([ask])
    assert server.headers[0]["Authorization"] == "Bearer sk-secret-7"


@pytest.mark.parametrize("key", ["sk-sécret-7", "sk-secret 7", "sk-secret\x7f7", "sk-secret-7\nX-Evil: 1", "ключ"])
def test_a_key_that_no_server_takes_is_refused_and_not_printed(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER_KEY, key)
    with pytest.raises(UsageError, match=f"The key in {SERVER_KEY} holds") as caught:
        open_captioner("openai:http://localhost/v1#m")
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    "play",
    [
        says("A man holds sk-secret-7 up."),
        says([{"type": "text", "text": "A man holds sk-sec"}, {"type": "text", "text": "ret-7 up."}]),
        status(401, '{"error": {"message": "no such key: sk-secret-7"}}'),
        status(400, '{"error": "' + "x" * 155 + 'sk-secret-7"}'),
        status(400, "x" * 1995 + "sk-secret-7"),
        status(400, '{"detail": "Bearer \\u0073k-secret-7"}'),
        status(500, "<b>sk-secret-7</b>"),
        status(200, '{"sk-secret-7": 1}'),
    ],
)  # fmt: skip
def test_a_key_that_comes_back_is_masked(
    play: Callable[..., None], ask: CaptionRequest, connect: Callable[..., Server]
) -> None:
    with running(play) as server:
        try:
            said = repr(connect(server.url, key="sk-secret-7").caption([ask]))
        except ServerError as error:
            said = str(error)
    assert "[key]" in said or "xxx" in said
    assert "secret" not in said


def test_a_word_in_the_place_of_a_key_is_no_secret(ask: CaptionRequest, connect: Callable[..., Server]) -> None:
    with running(says("The EMPTY sign glows.")) as server:
        [answer] = connect(server.url, key="EMPTY").caption([ask])
    assert answer.text == "The EMPTY sign glows."


def test_the_key_comes_from_the_environment(ask: CaptionRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER_KEY, "secret-7")
    with running() as server:
        captioner = open_captioner(server.model, OpenOptions(frames=2))
        assert isinstance(captioner, Server)
        captioner.caption([ask])
    assert server.headers[0]["Authorization"] == "Bearer secret-7"
    assert "secret-7" not in repr(captioner.info)
    with pytest.raises(UsageError, match="in the clear"):
        open_captioner("openai:http://example.org/v1#m")
    monkeypatch.delenv(SERVER_KEY)
    remote = open_captioner("openai:http://example.org/v1#m")
    assert "sent to example.org" in remote.info.card


@pytest.mark.parametrize(
    "text",
    [
        "", "tiny", "ftp://host/v1#m", "file:///etc/passwd#m", "http://#m", "http://host/v1", "http://host/v1#",
        "http://host/v1# ", "http://me:word@host/v1#m", "http://host/v1?key=1#m", "http://host:port/v1#m",
        "http://[::1/v1#m", "//host/v1#m", "http://ho\x1bst/v1#m", "http://host/v1#m\udcff", "http://host/v1#a\nb",
    ],
)  # fmt: skip
def test_addresses_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"openai:http://HOST|in CALVIN_API_KEY"):
        open_captioner(f"openai:{text}")


@pytest.mark.parametrize(
    ("text", "local"),
    [("http://127.0.0.1:8000/v1/#a/b", True), ("http://[::1]:8000/v1#a/b", True), ("http://localhost/v1#a/b", True),
     ("https://127.0.0.1.example.org/v1#a/b", False), ("http://10.0.0.1/v1#a/b", False)],
)  # fmt: skip
def test_what_is_this_machine(text: str, local: bool) -> None:
    address = Address.parse(text)
    assert (address.model, address.local) == ("a/b", local)
    assert address.url.endswith("/v1")


def test_settings_that_change_the_words_change_the_fingerprint() -> None:
    address = Address.parse("http://localhost/v1#a")
    prints = {
        Server(address).info.fingerprint,
        Server(address, frames=2).info.fingerprint,
        Server(Address.parse("http://localhost/v1#b")).info.fingerprint,
    }
    assert len(prints) == 3
    assert Server(address, frames=1000).frames == 64


def test_a_scene_without_stills_is_named(connect: Callable[..., Server]) -> None:
    with pytest.raises(DataError, match="Scene s carries no stills"):
        connect("http://localhost/v1").caption([CaptionRequest(Scene("s", "f", Span(0, 1000)), Prompt())])


def asks_for(limit: int, then: Callable[..., None]) -> Callable[..., None]:
    """Thinks until it may take so many tokens."""

    def play(handler: Any) -> None:
        enough = handler.body.get("max_tokens", 0) >= limit
        (then if enough else says("", finish="length", reasoning_content="Okay, a man"))(handler)

    return play


def test_a_model_that_thinks_is_asked_again_with_more_tokens_once_a_run(
    ask: CaptionRequest, connect: Callable[..., Server], naps: list[float]
) -> None:
    with running(asks_for(1024, says("A man walks."))) as server:
        captioner = connect(server.url)
        assert [captioner.caption([ask])[0].text for _ in range(2)] == ["A man walks.", "A man walks."]
    assert [body["max_tokens"] for body in server.asked] == [BUDGETS[0], BUDGETS[1], BUDGETS[1]]
    assert naps == []


@pytest.mark.parametrize(
    ("play", "why"),
    [
        (says("", finish="length", reasoning="Okay, the frames show"), "it spent its tokens on thinking"),
        (says("<think>Okay, the frames show", finish="length"), "it spent its tokens on thinking"),
        (says("", reasoning_content="A man."), "it spent its tokens on thinking"),
        (says("A man walks slowly across the", finish="length"), "it was cut off by its limit of tokens"),
        (says(""), "it gave an empty answer"),
        (says("..."), "it gave an empty answer"),
        (says("I can't help with that."), "it would not describe it"),
        (says("A man", finish="content_filter"), "it would not describe it"),
        (says(None, refusal="I won't."), "it would not describe it"),
        (says("A man walks across the"), "it stopped amid a sentence"),
        (status(400, '{"error": {"message": "Could not finish the message because max_tokens or model output limit was '
                'reached."}}'), "it was cut off by its limit"),
    ],
)  # fmt: skip
def test_an_answer_without_a_caption_is_asked_for_again_and_then_told(
    play: Callable[..., None], why: str, ask: CaptionRequest, connect: Callable[..., Server]
) -> None:
    with running(play) as server:
        captioner = connect(server.url)
        [answer] = captioner.caption([ask])
        assert answer.text == ""
        assert answer.trouble.startswith(why)
        assert len(server.asked) == 3
        with pytest.raises(ServerError, match=r"no caption for 5 scenes in a row .*same command again"):
            captioner.caption([ask] * 5)


def test_a_cut_answer_whose_first_sentence_is_whole_will_do_in_the_end(
    ask: CaptionRequest, connect: Callable[..., Server]
) -> None:
    with running(says("A man walks. He sits down on the", finish="length")) as server:
        [answer] = connect(server.url).caption([ask])
    assert answer.text == "A man walks."
    assert [body["max_tokens"] for body in server.asked] == list(BUDGETS)


def test_one_that_refuses_is_told_that_they_are_actors(ask: CaptionRequest, connect: Callable[..., Server]) -> None:
    with running(None, says("I cannot identify people.")) as server:
        [answer] = connect(server.url).caption([ask])
    assert (answer.text, answer.trouble) == ("A man walks.", "")
    assert HARMLESS in server.asked[1]["messages"][0]["content"][-1]["text"]


def refusing(*names: str) -> Callable[..., None]:
    def play(handler: Any) -> None:
        for name in names:
            if name in handler.body:
                other = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
                said = f"Unsupported parameter: '{name}' is not supported with this model.{other}"
                return status(400, json.dumps({"error": {"message": said, "param": name}}))(handler)
        return says("A man walks.")(handler)

    return play


@pytest.mark.parametrize(
    ("refused", "kept"),
    [
        (("max_tokens",), {"max_completion_tokens", "temperature"}),
        (("max_tokens", "temperature"), {"max_completion_tokens"}),
        (("max_tokens", "max_completion_tokens"), {"temperature"}),
        (("temperature",), {"max_tokens"}),
    ],
)
def test_parameters_that_are_refused_are_left_out_for_the_run(
    refused: tuple[str, ...], kept: set[str], ask: CaptionRequest, connect: Callable[..., Server]
) -> None:
    with running(refusing(*refused)) as server:
        captioner = connect(server.url)
        assert [captioner.caption([ask])[0].text for _ in range(2)] == ["A man walks.", "A man walks."]
    assert len(server.asked) == len(refused) + 2
    for body in server.asked[-2:]:
        assert set(body) - {"model", "messages", "stream"} == kept


def at_most(count: int, words: str, code: int = 400) -> Callable[..., None]:
    def play(handler: Any) -> None:
        parts = handler.body["messages"][0]["content"]
        many = sum(part["type"] == "image_url" for part in parts) > count
        (status(code, json.dumps({"message": words})) if many else says("A man walks."))(handler)

    return play


@pytest.mark.parametrize(
    ("count", "words", "code"),
    [
        (1, "At most 1 image(s) may be provided in one request.", 400),
        (3, "You set image=3 in `--limit-mm-per-prompt`, but passed 8 image items in the same prompt.", 400),
        (2, "Too many images in the request", 422),
        (1, "This model does not support multiple images", 500),
        (1, "maximum number of images is one image per prompt", 400),
        (2, "This model's maximum context length is 2048 tokens", 400),
        (4, "<html>413 Request Entity Too Large</html>", 413),
    ],
)
def test_a_server_that_takes_few_pictures_gets_few(
    count: int, words: str, code: int, ask: CaptionRequest, connect: Callable[..., Server]
) -> None:
    with running(at_most(count, words, code)) as server:
        captioner = connect(server.url)
        before = captioner.info.fingerprint
        assert [captioner.caption([ask])[0].text for _ in range(2)] == ["A man walks.", "A man walks."]
        shown = [sum(part["type"] == "image_url" for part in body["messages"][0]["content"]) for body in server.asked]
    assert shown[0] == 8
    assert 1 <= shown[-1] == shown[-2] <= count
    [remark] = captioner.remarks
    assert f"(as with --frames {shown[-1]})" in remark
    assert captioner.info.fingerprint == before, "a second run goes on"


def sides(body: dict[str, Any]) -> list[int]:
    """The longer side of each picture of a question."""
    urls = [part["image_url"]["url"] for part in body["messages"][0]["content"] if part["type"] == "image_url"]
    return [longer_side(base64.b64decode(url.partition(",")[2])) for url in urls]


def no_larger(most: int, words: str, code: int = 400) -> Callable[..., None]:
    def play(handler: Any) -> None:
        large = max(sides(handler.body)) > most
        (status(code, json.dumps({"error": {"message": words}})) if large else says("A man walks."))(handler)

    return play


@pytest.fixture
def large() -> CaptionRequest:
    picture = np.random.default_rng(0).integers(0, 255, (27, 48, 3)).astype(np.uint8).repeat(16, 0).repeat(16, 1)
    frames = [Frame(200 * number, encode_jpeg(picture)) for number in range(8)]
    return CaptionRequest(Scene("large", "film", Span(0, 1600), frames=lambda: frames), Prompt())


@pytest.mark.parametrize(
    ("most", "words", "code"),
    [
        (512, "Image is too large: 768x432 exceeds the maximum of 600x600 pixels.", 400),
        (384, "image size exceeds 400 pixels", 422),
        (512, "The image dimensions must be at most 640 on each side", 400),
        (224, "messages.0.content.1: At least one of the image dimensions exceed max allowed size: 300 pixels", 400),
        (384, "This model's maximum context length is 4096 tokens, and the images take 5100", 400),
        (384, "<html>413 Request Entity Too Large</html>", 413),
    ],
)
def test_a_server_for_which_pictures_are_too_large_gets_smaller_ones(
    most: int, words: str, code: int, large: CaptionRequest, connect: Callable[..., Server]
) -> None:
    with running(no_larger(most, words, code)) as server:
        captioner = connect(server.url)
        assert [captioner.caption([large])[0].text for _ in range(2)] == ["A man walks.", "A man walks."]
    assert sides(server.asked[0]) == [768] * 8
    assert sides(server.asked[-1]) == sides(server.asked[-2]) == [most] * 8, (
        "the number stays, and it is found out once"
    )
    [remark] = captioner.remarks
    assert remark.endswith(f"the model saw stills of {most} pixels on the longer side (as with --still-size {most}).")


def test_where_smaller_pictures_are_still_too_many_fewer_are_shown(
    large: CaptionRequest, connect: Callable[..., Server]
) -> None:
    with running(at_most(2, "This model's maximum context length is 2048 tokens")) as server:
        captioner = connect(server.url)
        assert captioner.caption([large])[0].text == "A man walks."
    assert [len(sides(body)) for body in server.asked] == [8, 8, 4, 2]
    assert sides(server.asked[1]) == [384] * 8
    assert [remark.partition(": ")[0] for remark in captioner.remarks] == [
        f"{captioner.address.host} takes no larger pictures",
        f"{captioner.address.host} takes at most 2 pictures in a question",
    ]


def test_neighbouring_shots_are_shown_besides_and_given_up_first(
    large: CaptionRequest, connect: Callable[..., Server]
) -> None:
    around = Surroundings(previous=large.scene.frames, next=large.scene.frames)
    beside = replace(large, around=around)
    with running() as server:
        connect(server.url).caption([beside])
        assert len(sides(server.asked[0])) == 8 + 2 + 2
    with running(at_most(8, "At most 8 image(s) may be provided in one request.")) as server:
        captioner = connect(server.url)
        captioner.caption([beside])
    assert [len(sides(body)) for body in server.asked] == [12, 8]
    assert "Previous shot" not in json.dumps(server.asked[1])
    assert captioner.remarks[0].endswith("the model saw fewer stills of the shots beside a scene, or none.")


def test_a_model_without_pictures_is_named(ask: CaptionRequest, connect: Callable[..., Server]) -> None:
    words = '{"error": {"message": "image input is not supported by this server"}}'
    with running(status(500, words)) as server, pytest.raises(ServerError, match=r"tiny of .* takes no pictures"):
        connect(server.url).caption([ask])
    assert len(server.asked) == 1


def test_a_server_that_loads_its_model_is_waited_for_with_word_of_it(
    ask: CaptionRequest, connect: Callable[..., Server], naps: list[float]
) -> None:
    loading = status(503, '{"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}')
    with running(None, *[loading] * 30) as server:
        captioner, told = connect(server.url), []
        captioner.ready(told.append)
        assert captioner.caption([ask])[0].text == "A man walks."
    assert sum(naps) > 200
    assert max(naps) <= 10
    assert "Loading model" in told[-1].detail
    with running(loading) as server, pytest.raises(ServerError, match="Loading model"):
        connect(server.url).caption([ask])
    assert len(server.asked) < 140


@pytest.mark.parametrize("code", [200, 425, 500, 502])
def test_a_server_that_says_by_another_status_that_it_loads_is_waited_for_too(
    code: int, ask: CaptionRequest, connect: Callable[..., Server], naps: list[float]
) -> None:
    loading = status(code, '{"error": {"message": "The model is currently loading"}}')
    with running(None, *[loading] * 20) as server:
        assert connect(server.url).caption([ask])[0].text == "A man walks."
    assert sum(naps) > 100


def test_a_server_without_the_memory_says_so_at_once(ask: CaptionRequest, connect: Callable[..., Server]) -> None:
    words = '{"error": {"message": "model requires more system memory (9.6 GiB) than is available (7.2 GiB)"}}'
    with running(status(500, words)) as server, pytest.raises(ServerError, match=r"too little memory .* smaller model"):
        connect(server.url).caption([ask])
    assert len(server.asked) == 1


def test_a_server_is_asked_before_a_film_is_decoded(connect: Callable[..., Server]) -> None:
    with running() as server:
        captioner = connect(server.url)
        captioner.ready()
        captioner.ready()
        assert (server.probed, server.asked, captioner.remarks) == (1, [], ())
        server.models = ("gemma3:4b", "qwen3-vl:8b")
        other = connect(server.url)
        other.ready()
        assert "lists no model tiny (it has gemma3:4b, qwen3-vl:8b)" in other.remarks[0]
        server.probe = status(404, '{"error": {"message": "model \'tiny\' not found"}}')
        with pytest.raises(ServerError, match=r"has no model tiny: it has gemma3:4b, qwen3-vl:8b; write its name"):
            connect(server.url).ready()
        server.models = None
        with pytest.raises(ServerError, match="knows no model tiny"):
            connect(server.url).ready()
        url = server.url
    with pytest.raises(ServerError, match=r"No model server answers at 127\.0\.0\.1:\d+ .*ollama serve"):
        connect(url).ready()
