#!/usr/bin/env bash
# Two saves of the same tensors with the same metadata can differ in their bytes.
#
# Versions: safetensors 0.8.0, numpy 2.4.6. Input: one tensor and eight entries of metadata, saved by twenty processes.
# Expected by who tells a model, or stored features, by the SHA-256 of a file: equal content, equal bytes.
# Seen: the header's `__metadata__` comes in another order from process to process (and save to save), so several hashes.
# Tensors and metadata read back equal: compare these, or sort the header, and hash no file that was written twice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6 2>/dev/null
cat > "$folder/save.py" <<'PY'
import hashlib
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

facts = {name: str(number) for number, name in enumerate(("fps", "encoder_id", "encoder_hash", "dim", "a", "b", "c", "d"))}
save_file({"film": np.arange(4, dtype=np.float32)}, sys.argv[1], metadata=facts)
with safe_open(sys.argv[1], "numpy") as stored:
    assert stored.metadata() == facts
    assert stored.get_tensor("film").tolist() == [0, 1, 2, 3]
print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())
PY
for number in $(seq 20); do "$folder/venv/bin/python" "$folder/save.py" "$folder/$number.safetensors"; done > "$folder/hashes"
different=$(sort -u "$folder/hashes" | wc -l)
echo "20 saves of equal content: $different different files"
[ "$different" -gt 1 ] || { echo "equal content has equal bytes now"; exit 1; }
