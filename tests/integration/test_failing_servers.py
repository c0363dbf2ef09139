"""A film of 17 places against a server that fails in many ways: nothing goes missing in silence, and all can go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from calvin.captioners.server import Server
from calvin.captioners.server_address import Address
from calvin.captioners.server_http import MAX_ANSWER
from calvin.core.errors import CalvinError, ServerError
from calvin.studio.describe.films import Description, describe
from calvin.studio.project.store import ProjectStore
from model_server import ModelServer, Play, cut_short, drip, running, says, send, slowly, status

KEY = "sk-secret-77x"
PLACES = 17
LINES = [
    f"{who} {does}."
    for who, does in zip(
        ("A baker", "The nurse", "Two girls", "A guard", "An old man", "The dog", "A sailor", "The twins", "A clerk",
         "The cook", "A dancer", "Her aunt", "The pilot", "A thief", "The judge", "A singer", "The crowd"),
        ("kneads dough", "draws a curtain", "race downstairs", "locks a gate", "feeds pigeons", "digs", "coils a rope",
         "wave", "stamps it", "tastes soup", "bows", "knits", "salutes", "climbs in", "frowns", "tunes up", "cheers"),
        strict=True,
    )
]  # fmt: skip


def place_of(handler: Any) -> int:
    """Which place is asked about, by the time of its first still; each begins 1.2 s before its shot."""
    texts = [part.get("text", "") for part in handler.body["messages"][0]["content"]]
    stamp = next(text for text in texts if text.startswith("<"))
    return int((float(stamp[1:].split()[0]) + 1.2) / 3.5)


def right(handler: Any) -> None:
    says(LINES[place_of(handler)])(handler)


def few_pictures(handler: Any) -> None:
    parts = handler.body["messages"][0]["content"]
    many = sum(part["type"] == "image_url" for part in parts) > 1
    (status(400, '{"message": "At most 1 image(s) may be provided in one request."}') if many else right)(handler)


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


WAYS: dict[str, Play] = {
    **{str(code): status(code) for code in (400, 401, 403, 404, 408, 422, 429, 500, 501, 502, 503, 504, 529)},
    "moved": status(302, Location="http://127.0.0.1:1/"),
    "too large": status(413, "<html>too large</html>"),
    "long wait": status(429, Retry_After="86400"),
    "loading for ever": status(503, '{"error": {"message": "Loading model"}}'),
    "page": status(200, "<html>It works!</html>"),
    "cut JSON": status(200, '{"choices": [{"message": {"content": "A man wa'),
    "no choices": status(200, '{"choices": []}'),
    "error in an answer": status(200, '{"error": {"message": "upstream is down"}}'),
    "null": says(None),
    "empty": says(""),
    "thinks": says("", finish="length", reasoning_content="Okay, a man"),
    "thinks aloud": says("<think>Okay, a man", finish="length"),
    "cut": says("A man walks slowly across the", finish="length"),
    "half": says("A man walks slowly across the"),
    "refuses": says("I'm sorry, but I can't help with that."),
    "filtered": says("", finish="content_filter"),
    "tokens": says("<|im_end|>"),
    "breaks off": says("A man walks slowly", finish="error"),
    "truncated": says("A man walks slowly across", finish="truncated"),
    "stream that breaks off": status(200, 'data: {"choices": [{"delta": {"content": "A man wa"}}]}\n\n'),
    "loading by another name": status(500, '{"error": "The model is currently loading"}'),
    "no memory": status(500, '{"error": {"message": "model requires more system memory (9 GiB) than is available"}}'),
    "no pictures": status(400, '{"error": {"message": "messages[0].content must be a string"}}'),
    "broken object": says('{"caption": "A man'),
    "hangs up": hangs_up,
    "drops": cut_short,
    "late": slowly(0.7, says("Too late.")),
    "drips": drip(0.1),
    "floods": lambda handler: send(handler, 200, b" " * (MAX_ANSWER + 1)),
    "bad gzip": lambda handler: send(handler, 200, b"no gzip", Content_Encoding="gzip"),
    "tells the key": status(400, json.dumps({"error": {"message": f"no such key: {KEY}"}})),
    "tells the key in an answer": status(200, json.dumps({KEY: f"Bearer {KEY}"})),
}


@pytest.fixture(scope="module")
def decoded(make_film: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A film, its subtitles, and a project in which it is decoded."""
    folder = tmp_path_factory.mktemp("film")
    film = make_film(folder / "film.mp4", seconds=(3.5,) * PLACES, audio=False)
    lines = [f"{n + 1}\n{_time(3500 * n + 2600)} --> {_time(3500 * n + 3400)}\nHello.\n" for n in range(PLACES)]
    (folder / "film.srt").write_text("\n".join(lines))
    with running(status(401)) as server, pytest.raises(ServerError, match="wants a key"):
        described(film, folder / "film.srt", folder / "p", server)
    with ProjectStore(folder / "p", read_only=True) as store:
        assert len(store.plans) == PLACES
    return film, folder / "film.srt", folder / "p"


def _time(ms: int) -> str:
    return f"00:{ms // 60_000:02}:{ms // 1000 % 60:02},{ms % 1000:03}"


def described(film: Path, subtitles: Path, project: Path, server: ModelServer) -> Description:
    async def nap(_: float) -> None:
        pass

    model = Server(Address.parse(f"{server.url}#tiny"), KEY, frames=2, tries=3, timeout_s=0.5, sleep=nap)
    return describe(film, subtitles, model, context=0, out_dir=project, formats=("vtt", "json"), names="free")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("after", [0, 5])
def test_nothing_goes_missing_in_silence(
    way: str, after: int, decoded: tuple[Path, Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    film, subtitles, project = decoded[0], decoded[1], tmp_path / "p"
    shutil.copytree(decoded[2], project)
    said = ""
    with running(WAYS[way], *[right] * after) as server:
        try:
            result = described(film, subtitles, project, server)
        except CalvinError as error:
            said = str(error)
        else:
            said = " ".join(result.notes)
            missing = PLACES - len(result.script.cues)
            assert missing == 0 or f"For {missing} of {PLACES} places the model gave no words" in said
        server.default, server.script = right, []
        result = described(film, subtitles, project, server)
    assert [cue.text for cue in result.script.cues] == LINES, said
    assert not any("gave no words" in note for note in result.notes)
    told = "".join([said, *result.notes, *capfd.readouterr()])
    assert "secret" not in told
    for file in project.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file


def test_trouble_now_and_then_is_overcome(decoded: tuple[Path, Path, Path], tmp_path: Path) -> None:
    shutil.copytree(decoded[2], tmp_path / "p")
    now_and_then = [play for way in ("500", "page", "empty", "refuses", "cut", "drops") for play in (WAYS[way], right)]
    with running(right, *now_and_then) as server:
        result = described(decoded[0], decoded[1], tmp_path / "p", server)
    assert [cue.text for cue in result.script.cues] == LINES


def test_a_server_that_takes_one_picture_gets_one_and_a_note_says_so(
    decoded: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(decoded[2], tmp_path / "p")
    with running(few_pictures) as server:
        result = described(decoded[0], decoded[1], tmp_path / "p", server)
    assert [cue.text for cue in result.script.cues] == LINES
    assert any("takes at most 1 picture in a question" in note for note in result.notes)


def test_what_is_refused_in_a_few_places_is_told_and_asked_for_again(
    decoded: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    def squeamish(handler: Any) -> None:
        """Refuses each time what three of the places show."""
        (says("I can't describe violence.") if place_of(handler) in (2, 3, 9) else right)(handler)

    shutil.copytree(decoded[2], tmp_path / "p")
    with running(squeamish) as server:
        result = described(decoded[0], decoded[1], tmp_path / "p", server)
        assert len(result.script.cues) == PLACES - 3
        [note] = [note for note in result.notes if "gave no words" in note]
        assert note.startswith(f"For 3 of {PLACES} places")
        assert "it would not describe it" in note
        server.default, server.asked = right, []
        assert [cue.text for cue in described(decoded[0], decoded[1], tmp_path / "p", server).script.cues] == LINES
        assert len(server.asked) == 3
