"""One tree of errors: each has an exit code and survives a trip between processes."""

from __future__ import annotations

import inspect
import pickle

import pytest

from calvin.core import errors
from calvin.core.errors import CalvinError, ConfigError, FeatureError, MissingExtraError, UsageError

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == "calvin.core.errors"]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_belongs_to_the_tree(kind: type[CalvinError]) -> None:
    assert issubclass(kind, CalvinError)
    assert kind.exit_code == (2 if issubclass(kind, UsageError) else 1)
    assert kind.__doc__


def make(kind: type[CalvinError]) -> CalvinError:
    return kind("The voice", "voice", "no piper") if kind is MissingExtraError else kind("What was wrong.")


@pytest.mark.parametrize("kind", CLASSES)
def test_errors_travel_between_processes(kind: type[CalvinError]) -> None:
    error = make(kind)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert str(back) == str(error)


def test_a_missing_extra_says_what_to_install() -> None:
    error = MissingExtraError("The voice", "voice", "No module named 'piper'")
    assert str(error) == (
        "The voice needs optional packages (No module named 'piper'): run `pip install 'calvin-ad[voice]'`."
    )
    assert error.extra == "voice"
    assert "packages: run" in str(MissingExtraError("The voice", "voice"))


def test_a_wrong_recipe_is_a_wrong_request_and_foreign_features_are_wrong_data() -> None:
    assert issubclass(ConfigError, UsageError)
    assert issubclass(FeatureError, errors.DataError)
