from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
from pathlib import Path

import pytest

from calvin.core.errors import DataError, UsageError
from calvin.core.progress import Progress
from calvin.evaluation.metrics import Spice, spice
from calvin.evaluation.metrics.spice import (
    CORENLP,
    MODELS,
    MODELS_INSIDE,
    MODELS_USED,
    NAMES,
    ParseStore,
    check_java,
    fingerprint,
    install_spice,
    models_checksum,
    spice_home,
)

PARSED = [["man"], ["man", "tall"]]
ARCHIVE_FREE = "java.base@17\njdk.compiler@17"


def fake_java(
    folder: Path, run: str = "exit 0", version: str = 'openjdk version "17.0.1"', modules: str = ARCHIVE_FREE
) -> str:
    """A program that answers like Java and, asked to run SPICE, does `run` ($1-$5 are the runner's arguments)."""
    path = folder / "java"
    path.write_text(
        "#!/bin/sh\n"
        f"if [ \"$1\" = -version ]; then echo '{version}' >&2; exit 0; fi\n"
        f"if [ \"$1\" = --list-modules ]; then printf '{modules}\\n'; exit 0; fi\n"
        'while [ "${1%.java}" = "$1" ]; do shift; done; shift\n' + run + "\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    for name in NAMES:
        (folder / name).touch()
    return folder


CANDIDATES = {"1": "A man.", "2": "!!!", "3": "..."}
REFERENCES = {"1": ["The man.", "?"], "2": ["A dog."], "3": ["A dog."]}


def scores(*values: float) -> str:
    return json.dumps([{"scores": {"All": {"f": value}}} for value in values])


def test_texts_go_tokenised_and_silent_ones_stay_home(home: Path, tmp_path: Path) -> None:
    run = f"cp \"$1\" '{tmp_path}/asked.json'; printf '%s' '{scores(0.5, 0.25)}' > \"$4\""
    result = Spice(home, fake_java(tmp_path, run)).score(CANDIDATES, REFERENCES)
    assert json.loads((tmp_path / "asked.json").read_text()) == [["a man", ["the man"]], ["!!!", ["a dog"]]]
    assert result.per_item.tolist() == [0.5, 0.25, 0.0]
    assert result.corpus == pytest.approx(0.25)


def test_parses_are_kept_even_when_java_dies_and_are_not_asked_for_again(home: Path, tmp_path: Path) -> None:
    whole = json.dumps(["a man", PARSED])
    run = f"printf '%s\\n%s' '{whole}' '[\"the m' > \"$3\"; echo boom >&2; exit 3"
    with pytest.raises(DataError, match=r"code 3; the parses made so far are kept(.|\n)*boom"):
        Spice(home, fake_java(tmp_path, run)).score(CANDIDATES, REFERENCES)
    run = f"cp \"$2\" '{tmp_path}/known.json'; printf '%s' '{scores(1, 1)}' > \"$4\""
    Spice(home, fake_java(tmp_path, run)).score(CANDIDATES, REFERENCES)
    assert json.loads((tmp_path / "known.json").read_text()) == {"a man": PARSED}


def test_parses_are_in_the_store_while_java_still_parses(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that even a run that is killed keeps them; progress counts them, and those known before apart."""
    monkeypatch.setattr(spice, "_LOOK_EVERY_S", 0.05)
    with ParseStore(home) as store:
        store.add([("the man", PARSED)])
    waiting = f"while [ ! -e '{tmp_path}/go' ]; do sleep 0.05; done"
    seen: list[tuple[float, float, float | None]] = []

    def listen(event: Progress) -> None:
        seen.append((event.kept, event.done, event.total))
        with ParseStore(home) as store:
            if "a man" in store.find(["a man"]):
                (tmp_path / "go").touch()

    run = f"echo '{json.dumps(['a man', PARSED])}' > \"$3\"; {waiting}; printf '%s' '{scores(1, 1)}' > \"$4\""
    Spice(home, fake_java(tmp_path, run)).watched_by(listen).score(CANDIDATES, REFERENCES)
    assert seen[0] == (1, 1, 4)
    assert (1, 2, 4) in seen


def test_java_that_ends_well_without_scores_is_an_error(home: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="SPICE stopped"):
        Spice(home, fake_java(tmp_path)).score(CANDIDATES, REFERENCES)


def test_missing_archives_are_named_with_the_way_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"10 of 10 Java archives are missing.*install-spice"):
        Spice(tmp_path / "none", fake_java(tmp_path)).score(CANDIDATES, REFERENCES)


def test_java_missing_old_or_without_compiler(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"needs a JDK, version 11 or later .* there is no 'no-java-here' here"):
        check_java("no-java-here")
    with pytest.raises(UsageError, match="is version 8"):
        check_java(fake_java(tmp_path, version='java version "1.8.0_202"'))
    with pytest.raises(UsageError, match="runtime without the compiler"):
        check_java(fake_java(tmp_path, modules="java.base@21"))
    with pytest.raises(UsageError, match="does not say which version it is"):
        check_java(fake_java(tmp_path, version="hello"))
    for version, expected in (('openjdk version "11.0.2" 2019', 11), ('openjdk version "21" 2023', 21)):
        assert check_java(fake_java(tmp_path, version=version)) == expected


def test_the_store_holds_more_sentences_than_one_question_may_ask(tmp_path: Path) -> None:
    parses = [(f"sentence {index} é", [[str(index)]]) for index in range(1203)]
    with ParseStore(tmp_path) as store:
        store.add(parses)
    with ParseStore(tmp_path) as store:
        assert store.find([*(sentence for sentence, _ in parses), "unknown"]) == dict(parses)


CONTENTS = {"spice-1.0.jar": b"spice", CORENLP: b"corenlp"}


def models_jar(extra: bool = False, spoiled: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in MODELS_USED:
            archive.writestr(MODELS_INSIDE + name, "spoiled" if spoiled else name)
        if extra:
            archive.writestr(MODELS_INSIDE + "pos-tagger/unused.tagger", "more")
    return buffer.getvalue()


@pytest.fixture
def small_archives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stand-ins for the real archives (90 MB), with checksums to match; no pycocoevalcap to help out."""
    right = tmp_path / "right.jar"
    right.write_bytes(models_jar())
    checksums = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENTS.items()}
    monkeypatch.setattr(spice, "CHECKSUMS", checksums)
    monkeypatch.setattr(spice, "NAMES", (*checksums, MODELS))
    monkeypatch.setattr(spice, "MODELS_CHECKSUM", models_checksum(right))
    monkeypatch.setattr(spice, "package_folder", lambda name: None)


def folder_of(place: Path, **others: bytes) -> Path:
    place.mkdir()
    for name, data in CONTENTS.items():
        (place / name).write_bytes(data)
    for name, data in others.items():
        (place / f"stanford-corenlp-3.6.0-{name}.jar").write_bytes(data)
    return place


@pytest.mark.usefixtures("small_archives")
@pytest.mark.parametrize("extra", [False, True])
def test_from_a_folder_whole_models_or_cut_ones(tmp_path: Path, extra: bool) -> None:
    source = folder_of(tmp_path / "source", models=models_jar(extra))
    jars = install_spice([source], tmp_path / "home")
    assert [jar.name for jar in jars] == [*CONTENTS, MODELS]
    assert all(jar.is_file() for jar in jars)


@pytest.mark.usefixtures("small_archives")
def test_from_zips_in_folders_and_single_jars_together(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "stanford-corenlp-full-2015-12-09.zip", "w") as archive:
        archive.writestr(f"full/{CORENLP}", CONTENTS[CORENLP])
        archive.writestr("full/stanford-corenlp-3.6.0-models.jar", models_jar())
        archive.writestr("full/readme.txt", "hello")
    (tmp_path / "spice-1.0.jar").write_bytes(CONTENTS["spice-1.0.jar"])
    sources = [tmp_path / "stanford-corenlp-full-2015-12-09.zip", tmp_path / "spice-1.0.jar"]
    assert len(install_spice(sources, tmp_path / "home")) == 3


@pytest.mark.usefixtures("small_archives")
def test_another_version_is_refused_and_not_kept(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "source", models=models_jar(spoiled=True))
    (source / CORENLP).write_bytes(b"corenlp 4")
    with pytest.raises(DataError, match="2 files of the right name but another version"):
        install_spice([source], tmp_path / "home")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["spice-1.0.jar"]


@pytest.mark.usefixtures("small_archives")
def test_a_right_file_beside_a_wrong_one_is_enough(tmp_path: Path) -> None:
    wrong = tmp_path / "a"
    wrong.mkdir()
    (wrong / CORENLP).write_bytes(b"corenlp 4")
    assert install_spice([wrong, folder_of(tmp_path / "b", models=models_jar())], tmp_path / "home")


@pytest.mark.usefixtures("small_archives")
def test_what_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"1 of 3 Java archives are missing \(stanford-corenlp-3\.6\.0-models\.jar\)"):
        install_spice([folder_of(tmp_path / "source")], tmp_path / "home")
    with pytest.raises(UsageError, match="does not exist"):
        install_spice([tmp_path / "nowhere"], tmp_path / "home")


@pytest.mark.usefixtures("small_archives")
def test_models_that_lack_a_file_have_no_checksum(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "models.jar", "w") as archive:
        archive.writestr(MODELS_INSIDE + MODELS_USED[0], "x")
    assert models_checksum(tmp_path / "models.jar") == ""


@pytest.mark.usefixtures("small_archives")
def test_the_home_and_the_name_of_the_parses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CALVIN_SPICE", str(tmp_path / "mine"))
    assert spice_home() == tmp_path / "mine"
    monkeypatch.delenv("CALVIN_SPICE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert spice_home() == tmp_path / "calvin" / "spice"
    before = fingerprint()
    monkeypatch.setattr(spice, "MODELS_CHECKSUM", "other models")
    assert fingerprint() != before
