"""Films in: facts, one-pass decoding, subtitles, and where description fits.

facts = probe("film.mp4")
film = decode_film("film.mp4", "project/frames")
plans = plan_cues(film.duration_ms, film.shots, read_subtitles("film.srt").lines)
"""

from calvin.media.film.clips import iter_clip_frames, read_image
from calvin.media.film.decode import DecodedFilm, DecodeReport, DecodeSettings, FrameBatch, decode_film
from calvin.media.film.frames import FrameStore, FrameWriter, encode_jpeg
from calvin.media.film.source import AudioStream, FilmFacts, MediaLimits, SubtitleStream, probe
from calvin.media.gaps import PlanSettings, dialogue_gaps, plan_cues
from calvin.media.subtitles import SubtitleReport, Subtitles, read_subtitles

__all__ = [
    "AudioStream",
    "DecodeReport",
    "DecodeSettings",
    "DecodedFilm",
    "FilmFacts",
    "FrameBatch",
    "FrameStore",
    "FrameWriter",
    "MediaLimits",
    "PlanSettings",
    "SubtitleReport",
    "SubtitleStream",
    "Subtitles",
    "decode_film",
    "dialogue_gaps",
    "encode_jpeg",
    "iter_clip_frames",
    "plan_cues",
    "probe",
    "read_image",
    "read_subtitles",
]
