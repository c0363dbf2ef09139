"""Fetching from a hub: a small one, served over HTTP."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calvin.captioners import open_captioner
from calvin.captioners.calvin import Calvin
from calvin.captioners.hub import HubModel, bundled_models, fetch, find_model, is_whole
from calvin.cli.main import app
from calvin.core.errors import CheckpointError, UsageError
from calvin.model.assemble import drop_tower

SHA = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"model_type": "tiny"}',
    "model.safetensors": b"weights" * 1000,
    "evil.py": b"raise SystemExit",
    "pytorch_model.bin": b"pickle",
    "README.md": b"# Tiny",
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """The address of a hub that has the model some/tiny, and what was asked of it."""
    asked: list[str] = []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # this hub is on the machine itself

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, body: bool) -> None:
            path = self.path.partition("?")[0]
            asked.append(path)
            name = path.removeprefix(f"/some/tiny/resolve/{SHA}/")
            headers = {"X-Repo-Commit": SHA}
            if "/tree/" in path:
                files = [
                    {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for name, data in FILES.items()
                ]
                data = json.dumps(files).encode()
            elif path.startswith("/api/models/some/tiny"):
                siblings = [{"rfilename": name, "size": len(data)} for name, data in FILES.items()]
                data = json.dumps(
                    {"id": "some/tiny", "sha": SHA, "siblings": siblings, "cardData": {"license": "cc0-1.0"}}
                ).encode()
            elif name in FILES:
                data = FILES[name]
                headers["ETag"] = f'"{hashlib.sha1(data).hexdigest()}"'
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def do_GET(self) -> None:
            self.answer(True)

        def do_HEAD(self) -> None:
            self.answer(False)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    yield f"http://127.0.0.1:{http.server_port}", asked
    http.shutdown()
    http.server_close()


def test_size_and_licence_are_shown_and_a_no_is_a_no(hub: tuple[str, list[str]]) -> None:
    url, asked = hub
    shown: list[HubModel] = []
    with pytest.raises(UsageError, match=r"some/tiny: 0\.0 MB, licence: cc0-1\.0 is not on this machine.*--yes"):
        fetch("some/tiny", lambda model: bool(shown.append(model)), url)
    assert (shown[0].size, shown[0].licence, shown[0].revision) == (7028, "cc0-1.0", SHA)
    assert not any("resolve" in path for path in asked)
    with pytest.raises(UsageError, match="agree with --yes"):
        fetch("some/tiny", endpoint=url)


def test_with_leave_it_is_fetched_once_and_only_what_is_needed(hub: tuple[str, list[str]]) -> None:
    url, asked = hub
    folder = fetch("some/tiny", lambda _: True, url)
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "README.md"}
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    before = len(asked)
    assert fetch("some/tiny", endpoint=url) == folder
    assert len(asked) == before
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError):
        fetch("some/tiny", endpoint=url)


def test_a_tower_that_a_model_names_is_not_fetched_unasked(
    hub: tuple[str, list[str]], tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calvin.captioners.hub.fetch", partial(fetch, endpoint=hub[0]))
    shown: list[HubModel] = []
    calvin = Calvin.from_pretrained(tiny_model, agree=lambda model: bool(shown.append(model)))
    drop_tower(calvin.model, calvin.processor)
    calvin.model.config.encoder_id = "some/tiny"
    with pytest.raises(UsageError, match="agree with --yes"):
        calvin.encode_frames(np.zeros((1, 8, 8, 3), np.uint8))
    assert [model.id for model in shown] == ["some/tiny"]
    words = ["data", "features", str(tmp_path), "--model", "some/tiny", "--out", str(tmp_path / "f.h5")]
    for command in (words, ["model", "info", "some/tiny"], ["demo", "--model", "some/tiny", "-o", str(tmp_path / "d")]):
        result = CliRunner().invoke(app, command)
        assert (result.exit_code, "agree with --yes" in result.stderr) == (2, True), result.output
    assert not any("resolve" in path for path in hub[1])
    given = CliRunner().invoke(app, ["model", "info", "some/tiny", "--yes"])
    assert "is a tiny model, not a CALVIN" in given.stderr  # fetched, and looked at


def test_what_the_hub_does_not_have_is_said(hub: tuple[str, list[str]]) -> None:
    with pytest.raises(CheckpointError, match="There is no model some/other"):
        fetch("some/other", lambda _: True, hub[0])
    with pytest.raises(CheckpointError, match="There is no model some/tiny"):
        fetch("some/tiny", lambda _: True, "http://127.0.0.1:9")


def test_a_folder_is_whole_with_every_shard(tmp_path: Path) -> None:
    assert not is_whole(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert not is_whole(tmp_path)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}))
    (tmp_path / "1.safetensors").write_text("")
    assert not is_whole(tmp_path)
    (tmp_path / "2.safetensors").write_text("")
    assert is_whole(tmp_path)
    index.write_text("[]")
    assert not is_whole(tmp_path)


def test_an_id_that_the_hub_does_not_have_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(CheckpointError, match="There is no model someone/absent: no such folder here"):
        open_captioner("someone/absent")
    with pytest.raises(CheckpointError, match=r"no model smolvlm3 \(did you mean smolvlm2\?\): no such folder here"):
        open_captioner("smolvlm3")


def test_a_model_of_the_list_that_cannot_be_fetched_is_said_to_be_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    with pytest.raises(CheckpointError, match=r"SmolVLM2-256M-Video-Instruct is not on this machine, .* go online"):
        fetch("HuggingFaceTB/SmolVLM2-256M-Video-Instruct")


def test_bundled_names_are_found(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calvin.captioners.hub.bundled_models", lambda: {"calvin-mini": tiny_model})
    assert find_model(None) == find_model("calvin-mini") == tiny_model
    monkeypatch.setattr("calvin.captioners.hub.bundled_models", dict)
    with pytest.raises(CheckpointError, match="calvin-mini is not installed"):
        find_model(None)
    assert all((path / "config.json").is_file() for path in bundled_models().values())
