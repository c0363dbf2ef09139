"""Configuration is checked when it is made, and says what was wrong."""

from __future__ import annotations

import pytest
from pydantic import Field, ValidationError

from calvin.core.config import FrozenConfig
from calvin.core.errors import ConfigError


class Inner(FrozenConfig):
    width: int = Field(default=8, gt=0)


class Outer(FrozenConfig):
    rate: float = Field(gt=0, le=1)
    inner: Inner = Inner()
    model_name: str = "tiny"


def test_load_takes_nested_mappings() -> None:
    config = Outer.load({"rate": 0.5, "inner": {"width": 4}})
    assert config.inner == Inner(width=4)
    assert config.model_name == "tiny"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"rate": 2}, "rate"),
        ({"rate": 0.5, "inner": {"width": 0}}, "inner.width"),
        ({"rate": 0.5, "rates": 1}, "rates"),
        ({}, "rate"),
        ({"rate": "fast"}, "rate"),
    ],
)
def test_errors_name_the_field_and_the_source(values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=r"^recipe\.json: ") as caught:
        Outer.load(values, source="recipe.json")
    assert f"{named}: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Outer.load({"rate": -1, "inner": {"width": -1}, "other": 0})
    assert all(name in str(caught.value) for name in ("rate", "inner.width", "other"))


def test_what_is_not_a_mapping_is_refused() -> None:
    with pytest.raises(ConfigError, match="value: "):
        Outer.load([1, 2])  # type: ignore[arg-type]


def test_configurations_do_not_change() -> None:
    config = Outer(rate=0.5)
    with pytest.raises(ValidationError, match="frozen"):
        config.rate = 1  # type: ignore[misc]


def test_changed_copies_are_checked_and_leave_the_first_alone() -> None:
    config = Outer(rate=0.5, inner=Inner(width=3))
    assert config.changed(rate=0.25) == Outer(rate=0.25, inner=Inner(width=3))
    assert config.rate == 0.5
    with pytest.raises(ConfigError, match=r"^Outer: rate: "):
        config.changed(rate=7)


def test_defaults_are_checked_too() -> None:
    class Wrong(FrozenConfig):
        width: int = Field(default=-1, gt=0)

    with pytest.raises(ConfigError, match="width"):
        Wrong.load({})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"rate": 0.5, "rates": 1}, "rates: there is no such field, did you mean rate?"),
        ({"rate": 0.5, "inner": {"widht": 1}}, "inner.widht: there is no such field, did you mean width?"),
        ({"rate": 0.5, "name": "a"}, "did you mean model_name?"),
        ({"rate": 0.5, "xyzzy": "a"}, "there are rate, inner, model_name"),
    ],
)
def test_of_a_field_that_does_not_exist_the_nearest_is_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Outer.load(values)
    assert said in str(caught.value)
