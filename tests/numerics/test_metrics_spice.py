"""SPICE against its own program and against published numbers. Needs a JDK and the archives beside the repository."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

import numpy as np
import pytest

from calvin.evaluation.metrics import Spice, align, install_spice, ptb_tokenize
from calvin.evaluation.metrics.base import Pairs
from calvin.evaluation.metrics.spice import installed_jars

SHARED = Path(__file__).parents[3] / "shared"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not (SHARED / "spice").is_dir(), reason=f"Stanford CoreNLP is not at {SHARED}/spice"),
]

ORACLE = """
import edu.anu.spice.SpiceScorer;
import java.lang.reflect.Constructor;
import java.nio.file.Files;
import java.nio.file.Paths;

/** SPICE's own scorer, called below its main method, which needs a JavaScript engine to write what it found. */
public final class Oracle {
  public static void main(String[] arguments) throws Exception {
    Class<?> options = Class.forName("edu.anu.spice.SpiceArguments");
    Constructor<?> read = options.getDeclaredConstructor(String[].class);
    read.setAccessible(true);
    Object given = read.newInstance((Object) new String[] {arguments[0], "-silent", "-threads", "2"});
    Constructor<SpiceScorer> make = SpiceScorer.class.getDeclaredConstructor();
    make.setAccessible(true);
    SpiceScorer scorer = make.newInstance();
    SpiceScorer.class.getMethod("scoreBatch", options).invoke(scorer, given);
    Files.write(Paths.get(arguments[1]), scorer.stats.toJSONString().getBytes("UTF-8"));
    System.exit(0);
  }
}
"""
WHO = [
    "a man",
    "two women",
    "an old lady in a red coat",
    "three small children",
    "the tall policeman",
    "Anna's brother",
]
DOES = ["rides", "is holding", "looks at", "walks toward", "throws away", "sits next to", "was bitten by"]
WHAT = ["a brown horse", "several green umbrellas", "the kitchen table", "some flowers and a book", "his father's car"]
WHERE = ["", "in front of the house", "on a crowded street at night", "while it is raining", "and smiles at the camera"]


def caption(rng: random.Random) -> str:
    return " ".join(rng.choice(part) for part in (WHO, DOES, WHAT, WHERE)).strip() + "."


def varied(items: int) -> Pairs:
    rng = random.Random(items)
    references = {str(index): [caption(rng) for _ in range(rng.randint(1, 2))] for index in range(items)}
    candidates = {
        identity: rng.choice([caption(rng), texts[0].replace("man", "person").replace("book", "volume")])
        for identity, texts in references.items()
    }
    return align(candidates, references)


def oracle(pairs: Pairs, jars: list[Path], folder: Path) -> list[float]:
    texts = zip(pairs.ids, pairs.candidates, pairs.references, strict=True)
    items = [{"image_id": identity, "test": text, "refs": list(given)} for identity, text, given in texts]
    (folder / "in.json").write_text(json.dumps(items))
    (folder / "Oracle.java").write_text(ORACLE)
    command = ["java", "-Xmx4g", "-cp", os.pathsep.join(map(str, jars)), str(folder / "Oracle.java")]
    subprocess.run([*command, str(folder / "in.json"), str(folder / "out.json")], check=True, capture_output=True)
    found = {entry["image_id"]: entry["scores"]["All"]["f"] for entry in json.loads((folder / "out.json").read_text())}
    return [found[identity] for identity in pairs.ids]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spice")
    install_spice([SHARED / "spice"], folder)
    return folder


def published() -> tuple[Pairs, dict[str, float]]:
    """The captions of clipscore's example, tokenised as its authors do, and what they print for them."""
    folder = SHARED / "golden" / "clipscore_example"
    given = json.loads((folder / "refs.json").read_text())
    candidates, references = {}, {}
    for quality in ("good", "bad"):
        for identity, text in json.loads((folder / f"{quality}_captions.json").read_text()).items():
            candidates[f"{quality} {identity}"] = " ".join(ptb_tokenize(text))
            references[f"{quality} {identity}"] = [" ".join(ptb_tokenize(one)) for one in given[identity]]
    numbers = json.loads((folder / "expected.json").read_text())["published"]
    return align(candidates, references), {quality: numbers[quality]["SPICE"] for quality in ("good", "bad")}


@pytest.mark.slow
@pytest.mark.parametrize("items", [40, pytest.param(200, marks=pytest.mark.long)])
def test_equal_to_spices_own_scorer_per_image_and_to_published_numbers(
    items: int, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")  # short runs start faster
    example, numbers = published()
    made = varied(items)
    pairs = Pairs(made.ids + example.ids, made.candidates + example.candidates, made.references + example.references)
    metric = Spice(home, memory="4g", tokenizer="whitespace")
    expected = oracle(pairs, installed_jars(home), tmp_path)
    found = metric.score_pairs(pairs)
    assert found.per_item.tolist() == expected
    assert len(set(expected)) > 5
    by_id = dict(zip(pairs.ids, expected, strict=True))
    for name, number in numbers.items():
        of_name = [value for key, value in by_id.items() if key.split(" ")[0] == name]
        assert np.mean(of_name) == pytest.approx(number, abs=1e-12)
    assert metric.score_pairs(pairs).per_item.tolist() == expected  # from the kept parses now
