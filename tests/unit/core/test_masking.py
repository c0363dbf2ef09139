"""Secrets are masked wherever they stand, and nothing else is."""

from __future__ import annotations

import pickle

import pytest
from typer.testing import CliRunner

from calvin.captioners.server_address import Address
from calvin.cli.console import shown
from calvin.cli.main import app
from calvin.core.errors import CalvinError, UsageError
from calvin.core.masking import masked, without_login
from calvin.studio.project.describe_settings import DescribeSources


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("openai:http://ann:pa55@host:8000/v1#m", "openai:http://[key]@host:8000/v1#m"),
        ("at https://ann@host/x and http://b:c@d", "at https://[key]@host/x and http://[key]@d"),
        ("http://ann:p@ss@host/v1", "http://[key]@host/v1"),
        ("http://ann:pa/ss@host/v1", "http://[key]@host/v1"),
        ("token hf_AbCdEfGhIjKl and api_org_abcdefgh1", "token [key] and [key]"),
        ("http://127.0.0.1:8000/v1#qwen@latest", "http://127.0.0.1:8000/v1#qwen@latest"),
        ("https://host/v1 and ann@host", "https://host/v1 and ann@host"),
        (
            "hf:Qwen/Qwen3-VL, hf_hub_download, a shelf_abcdefghijk",
            "hf:Qwen/Qwen3-VL, hf_hub_download, a shelf_abcdefghijk",
        ),
    ],
)
def test_logins_and_tokens_are_masked(text: str, said: str) -> None:
    assert masked(text) == said
    assert shown(text) == said
    assert str(CalvinError(text)) == said
    assert str(pickle.loads(pickle.dumps(UsageError(text)))) == said


def test_keys_of_the_environment_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "an-old-token\n")
    monkeypatch.setenv("CALVIN_API_KEY", "EMPTY")
    assert masked("an-old-token is EMPTY") == "[key] is EMPTY"


@pytest.mark.parametrize("address", ["http://ann:pa55@host/v1#m", "http://ann:pa/55@host/v1#m", "ann:pa55@host"])
def test_an_address_with_a_password_is_refused_without_saying_it(address: str) -> None:
    with pytest.raises(UsageError, match="holds no password") as caught:
        Address.parse(address)
    assert "55" not in str(caught.value)


def test_a_project_keeps_no_login() -> None:
    named = DescribeSources.named(model="other:https://ann:pa55@host/v1#m")
    assert named.model == "other:https://host/v1#m"
    assert DescribeSources.named(DescribeSources(model="other:https://ann:pa55@host/v1#m")).model == named.model
    assert DescribeSources.named(model="https://host/hf_AbCdEfGhIjKl").model == "https://host/[key]"
    assert without_login("calvin-mini") == "calvin-mini"


def test_what_was_typed_wrongly_is_masked_too() -> None:
    said = CliRunner().invoke(app, ["status", "p", "http://ann:pa55@host"])
    assert said.exit_code == 2
    assert "pa55" not in said.output
    assert "[key]@host" in said.output
