#!/usr/bin/env bash
# FFmpeg's WebVTT decoder drops the speaker of a cue's voice span.
#
# Versions: av 17.0.1 (the FFmpeg in its wheel). Input: a WebVTT file with `<v Ann>Come here.` (W3C WebVTT, section 5.5).
# Expected by a reader of captions: the name, in some form (an ASS dialogue has a field for it).
# Seen: text "Come here." and an empty name, so that who speaks is lost for everybody who reads WebVTT through FFmpeg,
# or converts it with it. The bytes of the packet still hold the whole span.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==17.0.1 2>/dev/null
printf 'WEBVTT\n\n00:01.000 --> 00:03.000\n<v Ann>Come here.\n' > "$folder/film.vtt"
"$folder/venv/bin/python" - "$folder/film.vtt" <<'PY'
import sys

import av

with av.open(sys.argv[1]) as container:
    stream = container.streams.subtitles[0]
    packet = next(p for p in container.demux(stream) if p.size)
    raw = bytes(packet).decode()
    [line] = [rect.ass.decode() for rect in packet.decode()]
print("packet:", raw)
print("decoded:", line)
assert "<v Ann>" in raw, "the packet no longer holds the voice span"
assert "Come here." in line and "Ann" not in line, "the decoder keeps the speaker now"
PY
