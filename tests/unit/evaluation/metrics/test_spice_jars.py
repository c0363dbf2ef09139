from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from calvin.core.errors import DataError, UsageError
from calvin.evaluation.metrics import spice_jars
from calvin.evaluation.metrics.spice_jars import (
    CORENLP,
    MODELS,
    MODELS_INSIDE,
    MODELS_USED,
    fingerprint,
    install_spice,
    models_checksum,
    spice_home,
)

CONTENTS = {"spice-1.0.jar": b"spice", CORENLP: b"corenlp"}


def models_jar(extra: bool = False, spoiled: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in MODELS_USED:
            archive.writestr(MODELS_INSIDE + name, "spoiled" if spoiled else name)
        if extra:
            archive.writestr(MODELS_INSIDE + "pos-tagger/unused.tagger", "more")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def small_archives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stand-ins for the real archives (90 MB), with checksums to match; no pycocoevalcap to help out."""
    right = tmp_path / "right.jar"
    right.write_bytes(models_jar())
    checksums = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENTS.items()}
    monkeypatch.setattr(spice_jars, "CHECKSUMS", checksums)
    monkeypatch.setattr(spice_jars, "NAMES", (*checksums, MODELS))
    monkeypatch.setattr(spice_jars, "MODELS_CHECKSUM", models_checksum(right))
    monkeypatch.setattr(spice_jars.importlib.util, "find_spec", lambda name: None)


def folder_of(place: Path, **others: bytes) -> Path:
    place.mkdir()
    for name, data in CONTENTS.items():
        (place / name).write_bytes(data)
    for name, data in others.items():
        (place / f"stanford-corenlp-3.6.0-{name}.jar").write_bytes(data)
    return place


@pytest.mark.parametrize("extra", [False, True])
def test_from_a_folder_whole_models_or_cut_ones(tmp_path: Path, extra: bool) -> None:
    source = folder_of(tmp_path / "source", models=models_jar(extra))
    jars = install_spice([source], tmp_path / "home")
    assert [jar.name for jar in jars] == [*CONTENTS, MODELS]
    assert all(jar.is_file() for jar in jars)


def test_from_zips_in_folders_and_single_jars_together(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "stanford-corenlp-full-2015-12-09.zip", "w") as archive:
        archive.writestr(f"full/{CORENLP}", CONTENTS[CORENLP])
        archive.writestr("full/stanford-corenlp-3.6.0-models.jar", models_jar())
        archive.writestr("full/readme.txt", "hello")
    (tmp_path / "spice-1.0.jar").write_bytes(CONTENTS["spice-1.0.jar"])
    sources = [tmp_path / "stanford-corenlp-full-2015-12-09.zip", tmp_path / "spice-1.0.jar"]
    assert len(install_spice(sources, tmp_path / "home")) == 3


def test_another_version_is_refused_and_not_kept(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "source", models=models_jar(spoiled=True))
    (source / CORENLP).write_bytes(b"corenlp 4")
    with pytest.raises(DataError, match="2 files of the right name but another version"):
        install_spice([source], tmp_path / "home")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["spice-1.0.jar"]


def test_a_right_file_beside_a_wrong_one_is_enough(tmp_path: Path) -> None:
    wrong = tmp_path / "a"
    wrong.mkdir()
    (wrong / CORENLP).write_bytes(b"corenlp 4")
    assert install_spice([wrong, folder_of(tmp_path / "b", models=models_jar())], tmp_path / "home")


def test_what_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"1 of 3 Java archives are missing \(stanford-corenlp-3\.6\.0-models\.jar\)"):
        install_spice([folder_of(tmp_path / "source")], tmp_path / "home")
    with pytest.raises(UsageError, match="does not exist"):
        install_spice([tmp_path / "nowhere"], tmp_path / "home")


def test_models_that_lack_a_file_have_no_checksum(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "models.jar", "w") as archive:
        archive.writestr(MODELS_INSIDE + MODELS_USED[0], "x")
    assert models_checksum(tmp_path / "models.jar") == ""


def test_the_home_and_the_name_of_the_parses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CALVIN_SPICE", str(tmp_path / "mine"))
    assert spice_home() == tmp_path / "mine"
    monkeypatch.delenv("CALVIN_SPICE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert spice_home() == tmp_path / "calvin" / "spice"
    before = fingerprint()
    monkeypatch.setattr(spice_jars, "MODELS_CHECKSUM", "other models")
    assert fingerprint() != before
