#!/usr/bin/env bash
# dlib's frontal face detector sees no small face, and neither its answer nor its help tells of a smallest size.
#
# Versions: dlib-bin 20.0.1.post1, Pillow 13.0.0, numpy 2.4.6; scikit-image 0.26.0 only for the photograph in its wheel
# (an astronaut, public domain, her face 88 pixels wide and looking at the camera).
# Expected: a detector that goes through sizes finds a face as long as it can be recognised, 40 or 50 pixels, say.
# Seen: at 70 pixels it is found, at 50 and at 40 it is not. The picture is only ever shrunk, for a window of about 80
# pixels. The second argument (0 by default) enlarges the picture first: with 1 it is found at 50 and at 40, for four
# times the work. So pictures shrunk to save time lose faces: an empty answer says "none of this size".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dlib-bin==20.0.1.post1 pillow==13.0.0 numpy==2.4.6 \
  2>/dev/null
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps scikit-image==0.26.0 2>/dev/null
"$folder/venv/bin/python" - <<'PY'
from importlib.metadata import distribution

import dlib
import numpy as np
from PIL import Image

photograph = Image.open(distribution("scikit-image").locate_file("skimage/data/astronaut.png")).convert("RGB")
detect = dlib.get_frontal_face_detector()
[face] = detect(np.asarray(photograph))
assert 80 <= face.width() <= 96, "the face in the photograph is measured otherwise now"


def found(pixels: int, enlarged: int) -> int:
    """Faces found near hers, in the photograph shrunk until her face has a width of `pixels`."""
    scale = pixels / face.width()
    small = np.asarray(photograph.resize((round(photograph.width * scale), round(photograph.height * scale))))
    centres = [(box.center().x / scale, box.center().y / scale) for box in detect(small, enlarged)]
    return sum(face.contains(dlib.point(round(x), round(y))) for x, y in centres)


for pixels, plain in ((70, 1), (50, 0), (40, 0)):
    faces = found(pixels, 0), found(pixels, 1)
    print(f"a face of {pixels} pixels: {faces[0]} found, {faces[1]} in the enlarged picture")
    assert faces == (plain, 1), "the detector sees other sizes now"
PY
