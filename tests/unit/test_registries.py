"""What holds for every registry: names are listed without loading anything heavy, and everything named is there."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from calvin.core.registry import Registry
from calvin.data.cleaning import CLEANING
from calvin.data.readers.registry import READERS
from calvin.evaluation.metrics.registry import METRICS, USUAL

REGISTRIES = {
    "CAPTIONERS": "calvin.captioners.registry",
    "CLEANING": "calvin.data.cleaning",
    "METRICS": "calvin.evaluation.metrics.registry",
    "READERS": "calvin.data.readers.registry",
    "RULES": "calvin.studio.script.lint",
    "VOICES": "calvin.media.voice.registry",
    "WRITERS": "calvin.studio.script.writers",
}


@pytest.mark.parametrize("name", REGISTRIES)
def test_everything_named_is_there_and_says_what_it_is(name: str) -> None:
    registry: Registry = getattr(import_module(REGISTRIES[name]), name)
    assert registry.names()
    for manifest in registry.built_in.values():
        assert callable(manifest.load())
        assert manifest.about
        assert manifest.about == manifest.about.strip().rstrip(".")


def test_lists_for_help_load_nothing_heavy() -> None:
    listed = [name for name in REGISTRIES if name != "RULES"]
    lines = [f"from {REGISTRIES[name]} import {name}; {name}.listed(); {name}.abouts()" for name in listed]
    heavy = ["torch", "transformers", "cv2", "scenedetect", "av", "h5py", "matplotlib", "numpy"]
    lines += ["import sys", f"print([name for name in {heavy} if name in sys.modules])"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_readers_name_cleaning_that_there_is() -> None:
    named = {rule for reader in READERS.built_in.values() for rule in reader.cleaning}
    assert named == set(CLEANING)


def test_the_usual_metrics_are_those_of_the_paper_and_recall() -> None:
    assert USUAL == ("bertscore", "cider", "rouge", "spice", "recall")
    assert METRICS.find("CIDER_plain").load()(None).name == "CIDEr"
