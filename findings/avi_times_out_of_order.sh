#!/usr/bin/env bash
# Films with B-frames come out of an AVI with times that go backwards, though FFmpeg itself wrote the file.
#
# Version: av 17.0.1 (the FFmpeg in its wheel). Input: twelve frames of H.264 at 25 frames/s, each brighter than the one
# before, with two B-frames between references and with none; written to Matroska and to AVI, and decoded.
# Expected: the decoder knows the order, so times rise from frame to frame, as from Matroska: 0, 1, 2, 3 ...
# Seen from AVI: the frames come in the right order (brightness rises), with times 1, 3, 4, 2, 6, 7, 5 ... AVI holds no
# time of showing, and reading makes one up, dts + 1: right in decoding order only, and late by a frame even without
# B-frames. Who seeks, samples or sorts by `frame.pts` gets other pictures. Number the frames as they come instead.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==17.0.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import av
import numpy as np


def times_read(suffix: str, b_frames: int) -> tuple[list[int], bool, list[int | None]]:
    """The decoded frames' times in frames, whether brightness rises, and each packet's pts less its dts."""
    path = f"{sys.argv[1]}/film{b_frames}.{suffix}"
    with av.open(path, "w") as container:
        options = {"bf": str(b_frames), "b-adapt": "0", "threads": "1"}
        stream = container.add_stream("libx264", rate=25, width=64, height=64, pix_fmt="yuv420p", options=options)
        for number in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * number, np.uint8), "rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with av.open(path) as container:
        ahead = [None if p.dts is None else p.pts - p.dts for p in container.demux(video=0) if p.size]
    with av.open(path) as container:
        frames = list(container.decode(video=0))
    brightness = [frame.to_ndarray(format="gray").mean() for frame in frames]
    return [round(frame.time * 25) for frame in frames], brightness == sorted(brightness), ahead


for suffix in ("mkv", "avi"):
    for b_frames in (0, 2):
        times, rising, ahead = times_read(suffix, b_frames)
        print(f"{suffix}, {b_frames} B-frames: times {times}, shown in order: {rising}")
        assert rising and len(times) == 12, "the frames themselves come in another order now"
        if suffix == "mkv":
            assert times == list(range(12)), "Matroska's times have changed"
        else:
            assert set(ahead) == {1}, "packets of AVI have other times now"
            assert times[0] == 1, "the first frame of an AVI is no longer late"
            assert (times == sorted(times)) == (b_frames == 0), "frames of AVI with B-frames have rising times now"
PY
