from __future__ import annotations

from pathlib import Path

import pytest

from calvin.core.errors import CalvinError, ConfigError
from calvin.training.full.data_file import DataFile
from stage_data import shrunk, write_data


@pytest.fixture(scope="module")
def path(tiny_model: Path, tiny_tower: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), tiny_model.parent / "language", tiny_tower, dim=24)


def test_paths_count_from_the_file_and_ids_stay_ids(path: Path, tmp_path: Path) -> None:
    data = DataFile.read(path)
    assert [source.name for source in data.sources] == ["cc3m", "cc12m", "mad"]
    assert data.sources[2].annotations == path.parent / "mad.csv"
    assert [source.name for source in data.chosen({"mad", "webvid"})] == ["mad"]
    (tmp_path / "language").mkdir()
    (tmp_path / "data.toml").write_text('[model]\nlanguage = "language"\nvision = "openai/clip-vit-base-patch32"\n')
    parts = DataFile.read(tmp_path / "data.toml").model
    assert (parts.language, parts.vision) == (str(tmp_path / "language"), "openai/clip-vit-base-patch32")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('name = "mad"', 'name = "films"'), "source 'films'; recipes know pairs, cc12m"),
        (('format = "mad_csv"', 'format = "mad_xml"'), "sources.2.format: There is no data format 'mad_xml'"),
        (('annotations = "mad.csv"', 'annotations = "gone.csv"'), "annotations of mad are not there"),
        (('features = "mad.h5"', 'features = "gone.h5"'), "features of mad are not there"),
        (("[model]", "[model"), "cannot be read as TOML"),
        (("vision = ", "visions = "), "model.vision"),
        (("[model]", 'leave_out = ["nothing"]\n[model]'), "source 'nothing'"),
        (
            ("features = ", 'annotation = "x"\nfeatures = '),
            "annotation: there is no such field, did you mean annotations?",
        ),
        (("[model]", "[train]\nstepz = 3\n[model]"), "[train]: there is no setting 'stepz'; did you mean steps?"),
        (("[model]", '[train]\nsteps = "many"\n[model]'), "steps is 'many'; it has to be a whole number"),
        (("[model]", "[train.stage1]\nqueries = 3\n[model]"), "queries holds for the whole model"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(path: Path, change: tuple[str, str], said: str) -> None:
    text = path.read_text()
    assert change[0] in text
    wrong = path.with_name("wrong.toml")
    wrong.write_text(text.replace(*change))
    with pytest.raises(CalvinError) as caught:
        DataFile.read(wrong)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no data file .*none.toml"):
        DataFile.read(tmp_path / "none.toml")


def test_sources_that_are_not_at_hand_are_left_out_of_the_recipe(path: Path) -> None:
    data, (step,) = DataFile.read(path), shrunk(2, steps=2, accumulation=1).stages
    assert set(data.changed(leave_out=["mad"]).at_hand(step).weights) == {"cc3m"}
    with pytest.raises(ConfigError, match="every source"):
        data.changed(leave_out=["mad", "cc3m"]).at_hand(step)


def test_weights_of_sources_count(path: Path) -> None:
    data, (step,) = DataFile.read(path), shrunk(2, steps=2, accumulation=1).stages
    films, images = (next(source for source in data.sources if source.name == name) for name in ("mad", "cc3m"))
    assert data.at_hand(step) == step, "1 leaves the recipe's shares as they are"
    more = data.changed(sources=[films.changed(weight=3.0), images])
    assert data.at_hand(step).weights == {"mad": 0.5, "cc3m": 0.5}
    assert more.at_hand(step).weights == {"mad": 1.5, "cc3m": 0.5}
    none = data.changed(sources=[films.changed(weight=0.0), images])
    assert set(none.at_hand(step).weights) == {"cc3m"}
    assert [source.name for source in none.chosen(none.at_hand(step).weights)] == ["cc3m"]
    with pytest.raises(ConfigError, match="every source"):
        data.changed(sources=[films.changed(weight=0.0), images.changed(weight=0.0)]).at_hand(step)


def test_settings_may_name_sources_that_no_recipe_knows(path: Path) -> None:
    own = path.with_name("own.toml")
    own.write_text(
        path.read_text().replace('name = "mad"', 'name = "mine"') + "[train.stage2]\nweights = { mine = 1 }\n"
    )
    assert [source.name for source in DataFile.read(own).sources] == ["cc3m", "cc12m", "mine"]
