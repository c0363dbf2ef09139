"""One pass over a film: which pictures are kept, cuts, sound, and what happens to broken files."""

from __future__ import annotations

import struct
import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation

from calvin.core.errors import MediaError
from calvin.core.progress import Progress
from calvin.core.time import Span
from calvin.media.film.decode import LARGE, READABLE, DecodeSettings, FrameBatch, decode_film, decode_large
from calvin.media.film.frames import BLOB, FrameStore
from calvin.media.film.source import AudioStream, MediaLimits, choose_audio, probe
from calvin.puppets.draw.video import write_video

Film = Callable[..., Path]
Number = Callable[[np.ndarray], int]


def pictures_of(path: Path, folder: Path, **settings: object) -> tuple[list[np.ndarray], FrameStore]:
    batches: list[FrameBatch] = []
    decoded = decode_film(path, folder, DecodeSettings(**settings), on_batch=batches.append)  # type: ignore[arg-type]
    assert [batch.first for batch in batches] == list(np.cumsum([0, *(len(b.rgb) for b in batches)])[:-1])
    return [picture for batch in batches for picture in batch.rgb], decoded.frames


@pytest.mark.parametrize(("suffix", "off"), [("mp4", 0), ("mov", 0), ("mkv", 0), ("ts", 0), ("webm", 1), ("avi", 1)])
def test_five_pictures_a_second(film: Film, number: Number, tmp_path: Path, suffix: str, off: int) -> None:
    """webm is lossy enough to shift a grey level; AVI has no presentation times, so its clock may lag by a frame."""
    pictures, store = pictures_of(film(f"a.{suffix}"), tmp_path / "out")
    assert len(pictures) == len(store) == 10
    assert [number(p) for p in pictures] == pytest.approx([0, 5, 10, 15, 20, 25, 30, 35, 40, 45], abs=off)
    assert [number(store.rgb(i)) for i in range(10)] == pytest.approx([number(p) for p in pictures], abs=off)
    assert store.times_ms == [0, 200, 400, 600, 800, 1000, 1200, 1400, 1600, 1800]


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_variable_frame_rate_goes_by_time(film: Film, number: Number, tmp_path: Path, suffix: str) -> None:
    times = [0, 0.1, 0.15, 0.21, 0.5, 0.9, 1, 1.01, 1.02, 1.5, 1.9, 2]
    pictures, _ = pictures_of(film(f"vfr.{suffix}", count=12, times=times), tmp_path / "out")
    shown = [max(i for i, time in enumerate(times) if time <= k / 5) for k in range(10)]
    assert [number(p) for p in pictures] == shown


@pytest.mark.parametrize("suffix", ["ts", "mkv"])
def test_film_time_starts_at_zero(film: Film, number: Number, tmp_path: Path, suffix: str) -> None:
    path = film(f"late.{suffix}", times=[10 + i / 25 for i in range(50)])
    decoded = decode_film(path, tmp_path / "out")
    assert decoded.duration_ms == 2000
    assert number(decoded.frames.rgb(1)) == 5
    assert decoded.report.notes == ()


def test_a_picture_that_starts_after_the_sound_keeps_its_place(film: Film, number: Number, tmp_path: Path) -> None:
    path = film("late.mkv", times=[1 + i / 25 for i in range(50)], audio={"eng": 0.0})
    pictures, _ = pictures_of(path, tmp_path / "out")
    assert [number(p) for p in pictures] == [0] * 6 + [5, 10, 15, 20, 25, 30, 35, 40, 45]


def test_b_frames_come_in_order(film: Film, number: Number, tmp_path: Path) -> None:
    pictures, _ = pictures_of(film("b.mp4", options={"bf": "3"}), tmp_path / "out", fps=25)
    assert [number(p) for p in pictures] == list(range(50))


@pytest.mark.parametrize(("count", "fps", "expected"), [(1, 5, 1), (26, 5, 5), (28, 5, 6), (25, 2, 2), (25, 30, 30)])
def test_number_of_pictures_follows_the_duration(
    film: Film, tmp_path: Path, count: int, fps: float, expected: int
) -> None:
    pictures, store = pictures_of(film("a.mp4", count=count), tmp_path / "out", fps=fps)
    assert len(pictures) == len(store) == expected == max(1, int(count / 25 * fps + 0.5))


def noise(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def quartered(width: int = 64, height: int = 48) -> np.ndarray:
    """Bright only at the top left."""
    picture = np.full((height, width, 3), 30, np.uint8)
    picture[: height // 2, : width // 2] = 220
    return picture


@pytest.mark.parametrize(("degrees", "corner"), [(0, (0, 0)), (90, (1, 0)), (180, (1, 1)), (270, (0, 1))])
def test_rotation_is_applied_counter_clockwise(
    film: Film, tmp_path: Path, degrees: int, corner: tuple[int, int]
) -> None:
    pictures, _ = pictures_of(film("r.mp4", pictures=[quartered()] * 5, rotation=degrees), tmp_path / "out")
    height, width = pictures[0].shape[:2]
    assert (height, width) == ((64, 48) if degrees % 180 else (48, 64))
    rows, columns = [(0, height // 2), (height // 2, height)], [(0, width // 2), (width // 2, width)]
    means = [[float(pictures[0][a:b, c:d].mean()) for c, d in columns] for a, b in rows]
    assert means[corner[0]][corner[1]] > 180
    assert sum(m > 100 for row in means for m in row) == 1


def test_size_is_the_shorter_side_or_exact(film: Film, tmp_path: Path) -> None:
    path = film("a.mkv", count=5, sample_aspect=None)
    assert pictures_of(path, tmp_path / "1", frame_size=24)[0][0].shape == (24, 32, 3)
    assert pictures_of(path, tmp_path / "2", frame_size=(64, 112))[0][0].shape == (64, 112, 3)
    assert pictures_of(path, tmp_path / "3", frame_size=224)[0][0].shape == (48, 64, 3)


def test_pictures_are_those_of_a_plain_decode(film: Film, tmp_path: Path) -> None:
    path = film("n.mp4", pictures=noise(10, 128, 96))
    pictures, _ = pictures_of(path, tmp_path / "out", frame_size=48)
    plainly = Interpolation.AREA.value | 0x2000  # SWS_FULL_CHR_H_INT
    with av.open(str(path)) as container:
        frames = [f.reformat(64, 48, "rgb24", interpolation=plainly).to_ndarray() for f in container.decode(video=0)]
    for kept, plain in zip(pictures, [frames[0], frames[5]], strict=True):
        assert np.abs(kept.astype(int) - plain.astype(int)).max() <= 1


def scene(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)


def test_cuts_and_shots(film: Film, tmp_path: Path) -> None:
    path = film("cuts.mp4", pictures=[scene(0)] * 40 + [scene(1)] * 30 + [scene(2)] * 30)
    decoded = decode_film(path, tmp_path / "out")
    assert decoded.cuts_ms == (1600, 2800)
    assert decoded.shots == (Span(0, 1600), Span(1600, 2800), Span(2800, 4000))
    without = decode_film(path, tmp_path / "out", DecodeSettings(cuts=False))
    assert without.shots == (Span(0, 4000),)


def heard(path: Path) -> np.ndarray:
    with wave.open(str(path)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 16_000)
        return np.frombuffer(sound.readframes(sound.getnframes()), np.int16).astype(float) / 32768


def test_sound_keeps_film_time(film: Film, tmp_path: Path) -> None:
    decoded = decode_film(film("s.mkv", audio={"eng": 1.0}), tmp_path / "out")
    assert decoded.sound is not None
    samples = heard(decoded.sound)
    onset = int(np.argmax(np.abs(samples) > 0.1)) / 16_000
    assert onset == pytest.approx(1.0, abs=0.05)
    spectrum = np.abs(np.fft.rfft(samples[20_000:28_000]))
    assert np.argmax(spectrum) * 16_000 / 8000 == pytest.approx(440, abs=4)


def test_sound_is_optional(film: Film, tmp_path: Path) -> None:
    assert decode_film(film("a.mp4", count=5), tmp_path / "1").sound is None
    path = film("b.mp4", count=5, audio={"eng": 0.0})
    assert decode_film(path, tmp_path / "2", DecodeSettings(sound=False)).sound is None
    assert not list((tmp_path / "2").glob("*.wav"))


def test_choice_of_sound_track() -> None:
    tracks = tuple(AudioStream(i, "aac", 2, 48_000, lang, i == 2) for i, lang in ((1, "fre"), (2, "eng"), (3, None)))
    assert choose_audio(tracks) == tracks[1]
    assert choose_audio(tracks, "fr") == tracks[0]
    assert choose_audio(tracks, "de") == tracks[1]
    assert choose_audio(tracks[2:]) == tracks[2]
    assert choose_audio(()) is None


@pytest.mark.parametrize(("wanted", "chosen"), [(None, 2), ("de", 1), ("ger", 1), ("de-AT", 1), ("fr", 3), ("it", 2)])
def test_the_sound_track_of_a_film_with_several(wanted: str | None, chosen: int) -> None:
    tracks = (
        AudioStream(0, "aac", 2, 48_000, "eng", True, "English - Audio Description", aside=True),
        AudioStream(1, "aac", 2, 48_000, "deu", False),
        AudioStream(2, "aac", 2, 48_000, "eng", True),
        AudioStream(3, "aac", 2, 48_000, "fre", False),
    )
    found = choose_audio(tracks, wanted)
    assert found is not None
    assert found.index == chosen


@pytest.mark.parametrize(
    ("language", "title"),
    [("nar", ""), ("qad", ""), ("eng", "Audio Description"), ("fre", "Audiodescription"), ("ger", "Hörfilm"),
     ("swe", "Syntolkning"), ("eng", "DVS"), ("spa", "Audiodescripción"), ("eng", "For the visually impaired")],
)  # fmt: skip
def test_a_described_track_is_never_the_films_sound(language: str, title: str, film: Film, tmp_path: Path) -> None:
    source, path = film("a.mkv", count=10, audio={"und": 0.0, "eng": 0.0}), tmp_path / "b.mkv"
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        copies = {stream: new.add_stream_from_template(stream) for stream in old.streams}
        described, plain = list(copies.values())[1:]
        described.metadata.update(language=language, title=title)
        plain.metadata["language"] = "und"
        for packet in old.demux():
            if packet.size:
                packet.stream = copies[packet.stream]
                new.mux(packet)
    tracks = probe(path).audio_streams
    assert [track.aside for track in tracks] == [True, False]
    assert choose_audio(tracks) == choose_audio(tracks, language) == tracks[1]


@pytest.mark.parametrize("suffix", ["mkv", "avi", "mp4"])
def test_a_truncated_film_is_decoded_as_far_as_it_goes(film: Film, number: Number, tmp_path: Path, suffix: str) -> None:
    whole = film(f"a.{suffix}", pictures=noise(50), options={"g": "5"}, fast_start=suffix == "mp4")
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    decoded = decode_film(path, tmp_path / "out")
    assert 800 <= decoded.duration_ms <= 1600
    assert len(decoded.frames) == max(1, round(decoded.duration_ms / 200 + 1e-6))
    assert any("could be decoded" in note for note in decoded.report.notes)


def test_an_mp4_without_its_index_is_refused(film: Film, tmp_path: Path) -> None:
    whole = film("a.mp4")
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(MediaError, match="index is missing"):
        decode_film(path, tmp_path / "out")


def test_damage_in_the_middle_is_passed_over(film: Film, tmp_path: Path) -> None:
    path = film("a.ts", pictures=noise(50), options={"g": "10"})
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4000] = np.random.default_rng(0).bytes(4000)
    path.write_bytes(data)
    decoded = decode_film(path, tmp_path / "out")
    assert decoded.duration_ms >= 1900
    assert decoded.report.damaged > 0
    assert any("Damaged parts" in note for note in decoded.report.notes)


def test_joined_recordings_play_end_to_end(film: Film, number: Number, tmp_path: Path) -> None:
    late = film("late.ts", count=50, times=[100 + i / 25 for i in range(50)])
    early = film("early.ts", count=50)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(late.read_bytes() + early.read_bytes())
    decoded = decode_film(joined, tmp_path / "out")
    assert decoded.duration_ms == pytest.approx(4000, abs=80)
    assert number(decoded.frames.rgb(12)) == pytest.approx(10, abs=2)
    assert any("jumps" in note for note in decoded.report.notes)


def test_nothing_is_left_behind_when_the_caller_fails(film: Film, tmp_path: Path) -> None:
    def fail(_: FrameBatch) -> None:
        raise RuntimeError("the tower fell")

    with pytest.raises(RuntimeError, match="the tower fell"):
        decode_film(film("a.mp4", audio={"eng": 0.0}), tmp_path / "out", on_batch=fail)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_cannot_be_written(film: Film, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MediaError, match="cannot be written"):
        decode_film(film("a.mp4", count=3), tmp_path / "file" / "out")


def test_progress_and_facts_given(film: Film, tmp_path: Path) -> None:
    seen: list[Progress] = []
    path = film("a.mp4", count=250, pictures=[quartered()] * 250)
    facts = probe(path)
    decoded = decode_film(path, tmp_path / "out", listener=seen.append, facts=facts)
    assert decoded.facts is facts
    assert [event.stage for event in seen] == ["decode"] * 3
    assert seen[-1].done == pytest.approx(10)
    assert seen[-1].total == pytest.approx(10)


def test_pictures_that_grow_beyond_the_limit_are_not_decoded(film: Film, tmp_path: Path) -> None:
    """A transport stream may change its picture after the header was checked."""
    small = film("small.ts", count=25)
    large = film("large.ts", pictures=[scene(1).repeat(4, 0).repeat(4, 1)] * 25)
    joined = tmp_path / "grows.ts"
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    limited = decode_film(joined, tmp_path / "1", DecodeSettings(limits=MediaLimits(max_pixels=64 * 48)))
    assert 20 <= limited.report.frames_decoded <= 25
    assert limited.report.notes
    whole = decode_film(joined, tmp_path / "2")
    assert whole.report.frames_decoded == 50
    assert (whole.frames.height, whole.frames.width) == (48, 64)


def test_a_picture_that_stays_for_hours_is_stored_once_and_given_as_one(film: Film, tmp_path: Path) -> None:
    path = film("slides.mkv", times=[0, 5 * 3600, 5 * 3600 + 1], count=3)
    given: list[np.ndarray] = []
    decoded = decode_film(path, tmp_path / "out", on_batch=lambda batch: given.extend(batch.pictures))
    assert decoded.duration_ms == pytest.approx(5 * 3_600_000, abs=10_000)
    assert len(decoded.frames) == len(given) == pytest.approx(5 * 3600 * 5, abs=50)
    assert len({id(picture) for picture in given}) == 2
    assert sum(file.stat().st_size for file in (tmp_path / "out").iterdir()) < 3000


def test_a_damaged_table_of_times_makes_no_long_film(film: Film, tmp_path: Path) -> None:
    path = film("a.mp4")
    data = bytearray(path.read_bytes())
    table = data.index(b"stts")  # ISO 14496-12, 8.6.1.2: how many ticks each picture lasts
    for ticks in (90_000 * 3600 * 11, 2**31 - 1):
        struct.pack_into(">I", data, table + 16, ticks)
        path.write_bytes(data)
        assert decode_film(path, tmp_path / "out").duration_ms <= 12_000


@pytest.mark.parametrize("same", [False, True])
def test_a_film_that_is_replaced_while_it_is_read(film: Film, tmp_path: Path, same: bool) -> None:
    path, other = film("a.mp4"), film("b.mp4", count=40)
    facts = probe(path)
    path.write_bytes((path if same else other).read_bytes())
    if same:
        assert len(decode_film(path, tmp_path / "out", facts=facts).frames) == 10
    else:
        with pytest.raises(MediaError, match=r"a\.mp4 changed while it was being read"):
            decode_film(path, tmp_path / "out", facts=facts)
        assert not any((tmp_path / "out").iterdir())


def test_larger_stills_for_reading_come_from_the_same_pass(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    pictures = [np.full((400, 640, 3), 20 * second, np.uint8) for second in range(6) for _ in range(5)]
    write_video(path, pictures, 640, 400, 5)
    plain = decode_film(path, tmp_path / "plain", DecodeSettings(sound=False))
    read = decode_film(path, tmp_path / "read", DecodeSettings(sound=False, readable_size=360))
    assert (plain.readable, read.readable) == (None, 6)
    assert not (tmp_path / "plain" / READABLE).exists()
    stills = FrameStore.open(tmp_path / "read" / READABLE)
    assert (len(stills), stills.height, stills.width, stills.fps) == (6, 360, 576, 1.0)
    assert [round(float(stills.rgb(i).mean()) / 20) for i in range(6)] == [0, 1, 2, 3, 4, 5]
    assert [read.frames.jpeg(i) for i in range(30)] == [plain.frames.jpeg(i) for i in range(30)]


def test_large_stills_come_from_the_same_pass_or_alone(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    pictures = [np.full((720, 1280, 3), 20 * second, np.uint8) for second in range(6) for _ in range(5)]
    write_video(path, pictures, 1280, 720, 5)
    plain = decode_film(path, tmp_path / "plain", DecodeSettings(sound=False))
    both = decode_film(path, tmp_path / "both", DecodeSettings(sound=False, readable_size=360, large_size=768))
    large = FrameStore.open(tmp_path / "both" / LARGE)
    assert (len(large), large.height, large.width, large.fps) == (12, 432, 768, 2.0)
    assert [round(float(large.rgb(i).mean()) / 20) for i in range(12)] == [i // 2 for i in range(12)]
    assert len(FrameStore.open(tmp_path / "both" / READABLE)) == 6
    assert not (tmp_path / "plain" / LARGE).exists()
    assert [both.frames.jpeg(i) for i in range(30)] == [plain.frames.jpeg(i) for i in range(30)]
    before = (tmp_path / "plain" / BLOB).read_bytes()
    alone = decode_large(probe(path), tmp_path / "plain", 768)
    assert [alone.jpeg(i) for i in range(12)] == [large.jpeg(i) for i in range(12)]
    assert (tmp_path / "plain" / BLOB).read_bytes() == before
