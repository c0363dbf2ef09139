#!/usr/bin/env bash
# As root, encoding AV1 with SVT-AV1 leaves the calling thread with the highest real-time priority.
#
# Version: av 17.0.1 (SVT-AV1 in the FFmpeg of its Linux wheel). Input: five small grey pictures, encoded with libsvtav1,
# by root, as in most containers.
# Expected: the process is scheduled afterwards as it was before.
# Seen: the thread that opened the encoder has SCHED_FIFO with priority 99, keeps it after the file is closed, and hands
# it to each thread and process that it starts. Whatever computes there afterwards starves everything else on its core:
# of two test processes on two cores, the one that had encoded AV1 took a core whole, and the other's children crawled.
# libx264 and libx265 do not do this. Without root (and CAP_SYS_NICE) nothing is changed. Afterwards, call
# os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0)), or encode in a process of its own.
set -euo pipefail
if [ "$(id -u)" -ne 0 ]; then
  echo "to be run as root: for others nothing changes" >&2
  exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==17.0.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" - "$folder" 2>/dev/null <<'PY'
import os
import sys

import av
import numpy as np


def after(codec: str) -> tuple[int, int]:
    """Policy and priority of this thread once five pictures have been encoded and the file is closed."""
    with av.open(f"{sys.argv[1]}/{codec}.mkv", "w") as container:
        video = container.add_stream(codec, rate=10, width=128, height=128, pix_fmt="yuv420p")
        for _ in range(5):
            grey = np.full((128, 128, 3), 128, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        container.mux(video.encode())
    return os.sched_getscheduler(0), os.sched_getparam(0).sched_priority


seen = {codec: after(codec) for codec in ("libx264", "libx265", "libsvtav1")}
print("policy and priority after each:", seen)
assert seen["libx264"] == seen["libx265"] == (os.SCHED_OTHER, 0), "other encoders change them too"
assert seen["libsvtav1"] == (os.SCHED_FIFO, 99), "SVT-AV1 leaves the thread as it was"
PY
