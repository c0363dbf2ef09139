"""Tiny films of every codec and container that FFmpeg can write here, mixed into .mkv, .mp4, .mov and .webm.

    python benchmarks/mix_matrix.py [--only TEXT] [--sound] [--picture] [--kinds] [-v]

Prints, per container, how many mixes were kept, refused before the work, and refused after it (which should not
happen), and each one of the last two with its reason. The exit code is 1 where a mix failed after the work or with
something other than a sentence for the user, or where the advice names the kind of file that was asked for.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.codec.codec import Codec
from av.stream import Disposition

from calvin.core.errors import CalvinError, UsageError
from calvin.core.files import file_sha256
from calvin.core.time import Span
from calvin.core.types import Cue
from calvin.media.film.source import probe
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound.film_mix import mix_project
from calvin.studio.sound.voiced_cues import VoiceSettings, voice_project

TARGETS = (".mkv", ".mp4", ".mov", ".webm")
SOURCES = (".mkv", ".mp4", ".mov", ".avi", ".ts", ".webm")
SECONDS = 3
SIZES = {"dvvideo": (720, 576), "dnxhd": (1280, 720), "cfhd": (128, 96), "h261": (176, 144), "h263": (176, 144)}
RATES = {"dvvideo": 25, "dnxhd": 25, "mpeg1video": 25, "mpeg2video": 25, "rv10": 25, "rv20": 25}
SETTINGS = {"dnxhd": {"bit_rate": 60_000_000, "pix_fmt": "yuv422p"}, "dvvideo": {"pix_fmt": "yuv420p"}}


def encoders(kind: str) -> list[str]:
    """Names of FFmpeg's own encoders of one kind, one for each codec."""
    found: dict[int, str] = {}
    for name in sorted(av.codecs_available):
        if re.search(r"_(amf|nvenc|qsv|v4l2m2m|vaapi)$", name):
            continue
        try:
            codec = Codec(name, "w")
        except (ValueError, av.error.FFmpegError):
            continue
        if codec.type == kind:
            found.setdefault(codec.id, name)
    return sorted(found.values())


def make(
    path: Path, picture: str = "libx264", sound: str | None = "aac", rate: int = 48_000, layout: str = "stereo",
    fps: Fraction | int = 0, settings: dict[str, str] | None = None, begin_s: tuple[float, float] = (0.0, 0.0),
    dress: Callable[[Any, Any, Any], None] | None = None, seconds: float = SECONDS,
) -> Path:  # fmt: skip
    """A film of a moving block and a tone; `dress` adds what else it has, before the first packet."""
    width, height = SIZES.get(picture, (96, 64))
    fps = fps or RATES.get(picture, 10)
    with av.open(str(path), "w", options={"strict": "experimental"}) as container:
        video: Any = container.add_stream(picture, rate=fps, options={"strict": "experimental", **(settings or {})})
        video.width, video.height = width, height
        formats = [form.name for form in video.codec_context.codec.video_formats or []]
        video.pix_fmt = formats[0] if formats else "yuv420p"
        for key, value in SETTINGS.get(picture, {}).items():
            setattr(video, key, value)
        heard: Any = container.add_stream(sound, rate=rate, layout=layout) if sound else None
        if heard is not None:
            heard.options = {"strict": "experimental"}
        if dress is not None:
            dress(container, video, heard)
        for number in range(max(2, round(seconds * fps))):
            image = np.full((height, width, 3), 40, np.uint8)
            image[8:24, number % (width - 20) : number % (width - 20) + 16] = 220
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number + round(begin_s[0] * fps), Fraction(1, fps)
            container.mux(video.encode(frame.reformat(format=video.pix_fmt)))
        container.mux(video.encode(None))
        if heard is not None:
            form = heard.codec_context.format.name
            resampler = av.AudioResampler(format=form, layout=layout, rate=heard.codec_context.sample_rate)
            channels = av.AudioLayout(layout).nb_channels
            wave = np.sin(np.arange(int(seconds * rate)) * 880 / rate).astype(np.float32) * 0.3
            frame = av.AudioFrame.from_ndarray(np.repeat(wave, channels)[None], format="flt", layout=layout)
            frame.sample_rate, frame.pts = rate, round(begin_s[1] * rate)
            size = heard.codec_context.frame_size or 1024
            frame.pts = None
            fifo = av.AudioFifo()
            for piece in resampler.resample(frame):
                fifo.write(piece)
            at = round(begin_s[1] * rate)
            while (piece := fifo.read(size)) is not None:
                piece.pts, piece.time_base = at, Fraction(1, piece.sample_rate)
                at += piece.samples
                container.mux(heard.encode(piece))
            container.mux(heard.encode(None))
    return path


def copied(source: Path, target: Path, first_s: float) -> Path:
    """A stream copy from a time on, as people cut films: the picture from the keyframe before, at times below 0."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        copies = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        old.seek(int(first_s * 1_000_000))
        for packet in old.demux():
            if packet.dts is not None and (packet.stream.type == "video" or packet.pts * packet.time_base >= first_s):
                packet.pts -= round(first_s / packet.time_base)
                packet.dts -= round(first_s / packet.time_base)
                packet.stream = copies[packet.stream.index]
                new.mux(packet)
    return target


def picture_of(codec: str) -> bytes:
    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height, context.time_base = 32, 32, Fraction(1, 1)
    context.pix_fmt = "rgb24" if codec == "png" else "yuvj420p"
    frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8), format="rgb24")
    return b"".join(
        bytes(packet) for packet in [*context.encode(frame.reformat(format=context.pix_fmt)), *context.encode(None)]
    )


def cover(codec: str) -> Callable[[Any, Any, Any], None]:
    def dress(container: Any, video: Any, heard: Any) -> None:
        stream = container.add_mux_stream(codec, width=32, height=32)
        stream.disposition = Disposition.attached_pic.value
        packet = av.Packet(picture_of(codec))
        packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1, 1000)
        container.mux(packet)

    return dress


def chapters(container: Any, video: Any, heard: Any) -> None:
    base = Fraction(1, 1000)
    container.set_chapters([
        {"id": n, "start": n * 1000, "end": n * 1000 + 1000, "time_base": base, "metadata": {"title": f"Part {n}"}}
        for n in range(2)
    ])  # fmt: skip


def timecode(container: Any, video: Any, heard: Any) -> None:
    video.metadata["timecode"] = "01:00:00:00"


def subtitles(codec: str, text: bytes) -> Callable[[Any, Any, Any], None]:
    def dress(container: Any, video: Any, heard: Any) -> None:
        stream = container.add_mux_stream(codec)
        for second in range(2):
            packet = av.Packet(text)
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = second * 1000
            packet.duration = 800
            container.mux(packet)

    return dress


def cover_in_mkv(container: Any, video: Any, heard: Any) -> None:
    container.add_attachment("cover.jpg", "image/jpeg", picture_of("mjpeg"))
    container.add_attachment("font.ttf", "application/x-truetype-font", b"\0\1\0\0" * 20)


def aspect(container: Any, video: Any, heard: Any) -> None:
    video.codec_context.sample_aspect_ratio = Fraction(4, 3)


def kinds(folder: Path) -> Iterator[tuple[str, Callable[[], Path]]]:
    """Films with what else films have."""

    def film(name: str, **options: Any) -> tuple[str, Callable[[], Path]]:
        return name, lambda: make(folder / name, **options)

    yield film("plain.mkv")
    yield film("hvc1.mp4", picture="libx265", settings={"tag": "hvc1", "x265-params": "log-level=none"})
    for suffix in (".mp4", ".mov"):
        for codec in ("mjpeg", "png"):
            yield film(f"cover-{codec}{suffix}", dress=cover(codec))
        yield film(f"chapters{suffix}", dress=chapters)
        yield film(f"timecode{suffix}", dress=timecode)
        yield film(f"aspect{suffix}", dress=aspect)
        yield film(f"slow{suffix}", fps=1, seconds=8)
        yield film(f"tx3g{suffix}", dress=subtitles("mov_text", b"\0\5Hello"))
        yield film(f"b-frames{suffix}", settings={"bf": "3"}, fps=25)
        yield film(f"late-picture{suffix}", begin_s=(0.5, 0.0))
        yield film(f"later-picture{suffix}", begin_s=(0.08, 0.0))
        yield film(f"late-sound{suffix}", begin_s=(0.0, 0.7))
        yield film(f"96k{suffix}", sound="pcm_s24le", rate=96_000)
        yield film(f"flac-96k{suffix}", sound="flac", rate=96_000)
    yield film("cover.mkv", dress=cover_in_mkv)
    yield film("chapters.mkv", dress=chapters)
    yield film("aspect.mkv", dress=aspect)
    yield film("slow.mkv", fps=1, seconds=8)
    yield film("b-frames.ts", settings={"bf": "3"}, fps=25)
    yield film("late-picture.mkv", begin_s=(0.5, 0.0))
    yield film("later-picture.mkv", begin_s=(0.08, 0.0))
    yield film("late-sound.mkv", begin_s=(0.0, 0.7))
    yield film("webvtt.mkv", dress=subtitles("webvtt", b"Hello"))
    yield film("webvtt.webm", picture="libvpx-vp9", sound="libopus", dress=subtitles("webvtt", b"Hello"))
    yield film("srt.mkv", dress=subtitles("subrip", b"Hello"))
    yield film("xvid-b.avi", picture="mpeg4", settings={"bf": "2"}, sound="libmp3lame")
    yield film("xvid-b-25.avi", picture="mpeg4", settings={"bf": "1"}, sound="ac3", fps=25)
    yield film("x264-b.avi", settings={"bf": "2"}, sound="libmp3lame")
    yield film("eight.mkv", sound="flac", layout="7.1")
    yield film("silent.mkv", sound=None)
    for channels in (20, 24):
        layout = {20: "20 channels", 24: "22.2"}[channels]
        yield film(f"pcm-{channels}.mov", sound="pcm_s16le", layout=layout)
        yield film(f"pcm-{channels}.mkv", sound="pcm_s16le", layout=layout)
    source = lambda: make(folder / "long.mp4", settings={"bf": "2", "g": "20"}, seconds=6)  # noqa: E731
    yield "cut.mp4", lambda: copied(source(), folder / "cut.mp4", 3.5)
    yield "cut.mkv", lambda: copied(source(), folder / "cut.mkv", 3.5)
    yield film("quarter.mp4", fps=Fraction(1, 4), settings={"bf": "2"}, seconds=24)
    yield film("quarter.mkv", fps=Fraction(1, 4), seconds=24)

    def by_mkvmerge() -> Path:
        # Its name for WebVTT, in place of FFmpeg's.
        path = make(folder / "mkvmerge.mkv", dress=subtitles("webvtt", b"Hello"))
        path.write_bytes(path.read_bytes().replace(b"D_WEBVTT/SUBTITLES", b"S_TEXT/WEBVTT\0\0\0\0\0"))
        return path

    yield "mkvmerge.mkv", by_mkvmerge


def project_of(film: Path, folder: Path) -> Path:
    """A project of one cue, spoken by tones."""
    with ProjectStore(folder, create=True) as store:
        store.bind_film(FilmRow("Film", str(film), file_sha256(film), probe(film).duration_ms or 3000, {}, "en"))
        store.add_cue(Cue("", Span(500, 2500), "Mara opens it.", Span(500, 2500), 500))
    voice_project(folder, ToneVoice(), VoiceSettings(rate=300))
    return folder


def films(folder: Path, wanted: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Path]]]:
    everything = not (wanted.sound or wanted.picture or wanted.kinds)
    if wanted.kinds or everything:
        yield from kinds(folder)
    for suffix in SOURCES:
        sound = {".webm": "libopus", ".avi": "libmp3lame"}.get(suffix, "aac")
        if wanted.picture or everything:
            for codec in encoders("video"):
                name = f"{codec}{suffix}"
                yield name, lambda n=name, c=codec, s=sound: make(folder / n, c, s)
        if wanted.sound or everything:
            picture = {".webm": "libvpx"}.get(suffix, "libx264")
            for codec in encoders("audio"):
                name = f"sound-{codec}{suffix}"
                rate = {"libopencore_amrnb": 8000, "g723_1": 8000, "nellymoser": 8000}.get(codec, 48_000)
                layout = "mono" if rate == 8000 else "stereo"
                yield name, lambda n=name, c=codec, p=picture, r=rate, y=layout: make(folder / n, p, c, r, y)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="films whose name holds this")
    parser.add_argument("--picture", action="store_true", help="every picture codec")
    parser.add_argument("--sound", action="store_true", help="every sound codec")
    parser.add_argument("--kinds", action="store_true", help="what else films have: covers, chapters, time codes")
    parser.add_argument("-v", action="store_true", help="print what was kept, too")
    wanted = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (title, maker) in enumerate(films(folder, wanted)):
            if wanted.only not in title:
                continue
            try:
                film = maker()
                project = project_of(film, folder / f"p{number}")
            except (CalvinError, ValueError, TypeError, OSError, av.error.FFmpegError) as error:
                counts["", "films that cannot be made or read"] += 1
                if wanted.v:
                    print(f"   {title}: not made ({' '.join(str(error).split())[:100]})")
                continue
            for suffix in TARGETS:
                outcome, what = one(project, folder, suffix)
                counts[suffix, outcome] += 1
                bad = outcome.startswith("failed") or f"name an {suffix}" in what or f"name a {suffix}" in what
                wrong += bad
                if wanted.v or outcome != "kept":
                    print(
                        f"{'!! ' if bad else '   '}{title} to {suffix}: {outcome} {what.replace(name + '/', '')}",
                        flush=True,
                    )
            film.unlink()
    for (suffix, outcome), count in sorted(counts.items()):
        print(f"{suffix:6} {outcome:36} {count}")
    print(f"{sum(n for (s, _), n in counts.items() if s)} mixes; wrong: {wrong}")
    return 1 if wrong else 0


def one(project: Path, folder: Path, suffix: str) -> tuple[str, str]:
    target = folder / f"out{suffix}"
    try:
        notes = " | ".join(mix_project(project, target).notes)
        target.unlink()
        return "kept", notes
    except UsageError as error:
        return "refused before the work", str(error)
    except CalvinError as error:
        return "failed after the work", str(error)
    except Exception as error:  # whatever it is, it is to be counted
        return "failed with a traceback", f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main())
