"""Spoken cues as small files that every browser plays."""

from __future__ import annotations

from pathlib import Path

import av
import av.error

from calvin.core.errors import MediaError
from calvin.core.files import atomic_path
from calvin.media.sound.film_sound import packed_frame, read_wav

CLIP_BIT_RATE = 64_000
"""Of one voice, where AAC cannot be told from what was encoded."""


def write_clip(wav: str | Path, target: str | Path) -> None:
    """A mono 16-bit WAV file as AAC in MP4 (.m4a), at its own sample rate, whole or not at all.

    Raises:
        MediaError: not such a file, or it cannot be encoded.
    """
    samples, rate = read_wav(wav)
    try:
        with atomic_path(target) as temporary, av.open(str(temporary), "w", format="mp4") as container:
            stream = container.add_stream("aac", rate=rate, layout="mono")
            stream.bit_rate = CLIP_BIT_RATE
            stream.options = {"aac_coder": "fast"}
            container.mux(stream.encode(packed_frame(samples[:, None], rate, "mono")))
            container.mux(stream.encode(None))
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(f"{wav} cannot be encoded for browsers ({error}): voice the project again.") from error
