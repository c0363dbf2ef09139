#!/usr/bin/env bash
# Sound that begins some seconds into an MPEG transport stream is listed with a sample rate of 0 and no channels.
#
# Version: av 17.0.1 (the FFmpeg in its wheel). Input: twelve seconds of film in a transport stream, with AAC, 48 kHz,
# stereo, that begins after 10 seconds, as in a recording of a broadcast or a film with a silent opening.
# Expected: an audio stream either with its rate or not listed.
# Seen: the stream is listed as AAC with rate 0 and channels 0, and nothing is said: PyAV has FFmpeg's log, which warns,
# turned off. It decodes well, and every frame has 48 kHz. FFmpeg looks at 5 MB and 7 seconds at most; `probesize` and
# `analyzeduration` raised give the rate (both: for 12 s at 8 Mbit/s neither alone did). Take rate and layout from the
# first decoded frame, and a rate of 0 for "not known yet", not for "no sound".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==17.0.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" - "$folder/film.ts" <<'PY'
import sys

import av
import numpy as np


def listed(begin: int, options: dict[str, str]) -> tuple[str, int, int]:
    """Codec, rate and channels of the sound that begins after `begin` seconds, as told on opening."""
    with av.open(sys.argv[1], "w") as container:
        video = container.add_stream("libx264", rate=25, width=64, height=64, pix_fmt="yuv420p")
        audio = container.add_stream("aac", rate=48000, layout="stereo")
        for number in range(12 * 25):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
            picture.pts = number
            container.mux(video.encode(picture))
            if number >= begin * 25:
                sound = av.AudioFrame.from_ndarray(np.zeros((2, 1920), np.float32), "fltp", "stereo")
                sound.sample_rate, sound.pts = 48000, number * 1920
                container.mux(audio.encode(sound))
        container.mux(video.encode())
        container.mux(audio.encode())
    with av.open(sys.argv[1], options=options) as container:
        context = container.streams.audio[0].codec_context
        return context.name, context.sample_rate, context.channels


at_once, late = listed(0, {}), listed(10, {})
with av.open(sys.argv[1]) as container:
    frame = next(container.decode(audio=0))
raised = listed(10, {"probesize": "100000000", "analyzeduration": "60000000"})
print("from the start:", at_once)
print("after 10 s:", late, f"| decoded: {frame.sample_rate} Hz, {frame.layout.name}, from {frame.time:.2f} s")
print("after 10 s, looked at for longer:", raised)
assert at_once == raised == ("aac", 48000, 2), "sound that is found has other facts now"
assert (frame.sample_rate, frame.layout.name) == (48000, "stereo"), "late sound no longer decodes"
assert late == ("aac", 0, 0), "late sound has a rate now, or isn't listed"
PY
