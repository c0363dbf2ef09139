"""What is heard: the film drawn, cues spoken one by one, in the mix, and in a person's own voice."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from calvin.core.files import TEMPORARY
from calvin.page.sound_routes import MAX_WAV
from calvin.studio.project.contents import VoiceRecord
from calvin.studio.project.store import ProjectStore

WAV = {"content-type": "audio/wav"}


def recorded(seconds: float = 1.0, rate: int = 48_000, level: float = 0.2) -> bytes:
    """Something like speech: bursts of a low tone, as a WAV file."""
    time_s = np.arange(round(seconds * rate)) / rate
    samples = level * np.sin(2 * np.pi * 180 * time_s) * (np.sin(2 * np.pi * 3 * time_s) > -0.6)
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes((samples * 32767).astype("<i2").tobytes())
    return out.getvalue()


def length_ms(wav: bytes) -> int:
    with wave.open(io.BytesIO(wav)) as sound:
        return round(sound.getnframes() * 1000 / sound.getframerate())


def row(client: TestClient, pid: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/p/{pid}/rows/{key}").json()
    return found


@pytest.fixture
def light_voice(root: Path) -> None:
    """The project is spoken by eSpeak NG, which is quick."""
    with ProjectStore(root / "film.calvin") as store:
        store.voice = VoiceRecord(name="espeak", rate=160.0, lufs=-23.0, cues={}, asked="espeak", language="en")


def test_the_film_is_drawn_from_its_sound(client: TestClient, pid: str) -> None:
    found = client.get(f"/api/p/{pid}/peaks?per_second=10").json()
    assert found["per_second"] == 10
    assert len(found["peaks"]) == 90
    assert all(0 <= peak <= 255 for peak in found["peaks"])
    assert max(found["peaks"]) > 200, "the film's tone is loud"
    for wrong in ("0", "1000", "many", "1e9"):
        assert client.get(f"/api/p/{pid}/peaks?per_second={wrong}").status_code == 422


def test_a_cue_is_spoken_kept_and_heard_in_the_mix(client: TestClient, light_voice: None, pid: str) -> None:
    before = client.get(f"/media/p/{pid}/cue/1/voice.wav")
    assert before.status_code == 400
    spoken = client.post(f"/api/p/{pid}/speak", json={"key": "cue-1"}).json()
    assert 300 < spoken["speech_ms"] < 3000
    assert row(client, pid, "cue-1")["measured"] is True
    alone = client.get(spoken["url"])
    assert alone.headers["content-type"] == "audio/wav"
    assert abs(length_ms(alone.content) - spoken["speech_ms"]) <= 1
    mixed = client.get(f"/media/p/{pid}/cue/1/mix.wav?tones=1&ad=0.5")
    assert mixed.content[:4] == b"RIFF"
    assert mixed.headers["x-film-ms"] == "0", "there are no two seconds before it"
    assert mixed.headers["x-voice-at-ms"] == "0"
    # from the film's beginning to a second after the voice has ended
    assert abs(length_ms(mixed.content) - (spoken["speech_ms"] + 1000)) < 400
    assert client.get(f"/media/p/{pid}/cue/1/mix.wav?ad=9").status_code == 422
    gap = client.get(f"/media/p/{pid}/gap/1000-2500.wav")
    assert length_ms(gap.content) == 1500
    assert client.get(f"/media/p/{pid}/gap/2500-1000.wav").status_code == 400


def test_what_cannot_be_spoken_says_so(client: TestClient, light_voice: None, pid: str) -> None:
    assert client.post(f"/api/p/{pid}/speak", json={"key": "cue-99"}).status_code == 400
    assert client.post(f"/api/p/{pid}/speak", json={"key": "place-4"}).status_code == 422


def test_a_persons_own_voice(client: TestClient, light_voice: None, root: Path, pid: str) -> None:
    done = client.put(f"/api/p/{pid}/recordings/2", content=recorded(1.2), headers=WAV)
    assert done.status_code == 200, done.text
    found = done.json()
    assert 700 < found["speech_ms"] <= 1300
    assert abs(found["lufs"] + 23) < 1.5
    now = row(client, pid, "cue-2")
    assert (now["status"], now["text"]) == ("approved", "A man walks 2.")
    heard = client.get(f"/media/p/{pid}/recording/2.wav")
    assert abs(length_ms(heard.content) - found["speech_ms"]) <= 1
    assert client.get(f"/media/p/{pid}/cue/2/voice.wav").content == heard.content
    assert not list((root / "film.calvin").glob(f"{TEMPORARY}*")), "what was sent is cleared away"
    assert client.delete(f"/api/p/{pid}/recordings/2").status_code == 200
    assert client.get(f"/media/p/{pid}/recording/2.wav").status_code == 404
    assert client.post(f"/api/p/{pid}/undo", json={}).status_code == 200
    assert client.get(f"/media/p/{pid}/recording/2.wav").content == heard.content


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "audio/wav", 400),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav", 400),
        (b"#EXTM3U\nfile:///etc/passwd\n", "audio/wav", 400),
        (b"\0" * (MAX_WAV + 1), "audio/wav", 413),
        (b"{}", "application/json", 415),
        (b"x", "image/png", 415),
    ],
    ids=["empty", "half", "playlist", "huge", "json", "picture"],
)
def test_what_is_no_recording_is_refused_and_leaves_nothing(
    client: TestClient, root: Path, pid: str, content: bytes, kind: str, status: int
) -> None:
    folder = root / "film.calvin"
    before = {path: path.read_bytes() for path in folder.rglob("*.wav")}
    answer = client.put(f"/api/p/{pid}/recordings/2", content=content, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"].endswith(".")
    assert {path: path.read_bytes() for path in folder.rglob("*.wav")} == before
    assert not list(folder.glob(f"{TEMPORARY}*"))
    assert row(client, pid, "cue-2")["status"] == "draft"


@pytest.mark.parametrize("number", ["99", "0", "x", "..%2f..", "-1", "9" * 30])
def test_a_recording_of_no_cue_is_refused(client: TestClient, pid: str, number: str) -> None:
    assert client.put(f"/api/p/{pid}/recordings/{number}", content=recorded(), headers=WAV).status_code in (400, 404)
    assert client.delete(f"/api/p/{pid}/recordings/{number}").status_code in (400, 404)
    assert client.get(f"/media/p/{pid}/recording/{number}.wav").status_code == 404
