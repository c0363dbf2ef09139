"""Scripts that were written for 0.1.0 go on importing."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from calvin.former_names import NOW


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("calvin.captioners.cleaning", "clean_answer"),
        ("calvin.media.decode", "choose_audio"),
        ("calvin.media.source", "probe"),
        ("calvin.studio.store", "ProjectStore"),
        ("calvin.training.checkpoints", "save_checkpoint"),
    ],
)
def test_a_former_name_is_the_present_thing_with_a_warning(module: str, name: str) -> None:
    with pytest.warns(DeprecationWarning, match=module):
        former = getattr(import_module(module), name)
    assert any(former is getattr(import_module(place), name, None) for place in NOW[module])


def test_a_script_is_read_as_a_list_of_lines_as_it_was(tmp_path: Path) -> None:
    script = tmp_path / "script.srt"
    script.write_text("1\n00:00:01,000 --> 00:00:02,500\nA door opens.\n", encoding="utf-8")
    with pytest.warns(DeprecationWarning, match="script_lines"):
        read_script = import_module("calvin.studio.readers").read_script
    [line] = read_script(script)
    assert (line.span.start_ms, line.span.end_ms, line.text) == (1000, 2500, "A door opens.")


def test_every_place_that_is_named_is_there() -> None:
    for places in NOW.values():
        for place in places:
            assert import_module(place)


def test_what_never_was_is_an_error_that_names_the_new_place() -> None:
    with pytest.raises(ImportError):
        exec("from calvin.media.source import no_such_thing")
    with pytest.raises(AttributeError, match=r"calvin\.media\.film\.source"):
        _ = import_module("calvin.media.source").no_such_thing
    with pytest.raises(ModuleNotFoundError):
        import_module("calvin.media.never_was")
