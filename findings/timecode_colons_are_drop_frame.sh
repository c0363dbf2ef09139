#!/usr/bin/env bash
# The package timecode reads colon-separated codes at 29.97 frames a second as drop-frame codes.
#
# Version: timecode 1.5.1. Input: 00:10:00:00 at 29.97, which by SMPTE ST 12-1's way of writing (colons: non-drop;
# a semicolon before the frames: drop-frame) is the frame after 18,000 others, 600.6 s into the programme.
# Expected: 18,000 frames, as at 23.976, where the same form counts every frame; drop-frame for 00:10:00;00 alone.
# Seen: 17,982 frames for both: what was written at 29.97 without drop-frame comes 0.6 s early after ten minutes and 3.6 s
# after an hour. The separator is ignored; only the argument force_non_drop_frame=True counts all frames, and then also for
# a code with a semicolon. The frame counts themselves begin at 1: 00:00:00:00 is frame 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check timecode==1.5.1 2>/dev/null
"$folder/venv/bin/python" - <<'PY'
from timecode import Timecode


def before(rate: str, code: str, **options: bool) -> int:
    """How many frames come before that of a code."""
    return Timecode(rate, code, **options).frames - Timecode(rate, "00:00:00:00", **options).frames


seen = {
    "29.97 with colons": before("29.97", "00:10:00:00"),
    "29.97 with a semicolon": before("29.97", "00:10:00;00"),
    "29.97 with colons, non-drop asked for": before("29.97", "00:10:00:00", force_non_drop_frame=True),
    "23.976 with colons": before("23.976", "00:10:00:00"),
    "the first frame": Timecode("29.97", "00:00:00:00").frames,
}
for what, count in seen.items():
    print(f"{what}: {count}")
assert seen["29.97 with a semicolon"] == 17_982, "drop-frame counts otherwise"
assert seen["29.97 with colons, non-drop asked for"] == 18_000, "non-drop counts otherwise"
assert seen["23.976 with colons"] == 14_400, "23.976 counts otherwise"
assert seen["29.97 with colons"] == 17_982, "colons at 29.97 now count every frame"
assert seen["the first frame"] == 1, "frames are now counted from 0"
PY
