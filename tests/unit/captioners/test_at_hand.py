"""What can caption here: bundled models, the hub's cache, servers, and the best of them."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from calvin.captioners import OpenOptions, at_hand, open_captioner
from calvin.captioners.at_hand import Found, best, cached, found, licence_of, parameters_of
from calvin.captioners.hub import fetch
from calvin.captioners.local_servers import parameters_in, served
from calvin.captioners.machine import Machine, this_machine
from calvin.captioners.video_llm import VideoLlm
from calvin.cli.main import app
from calvin.core.errors import CheckpointError, UsageError
from tiny_video_llms import save_tiny, save_tiny_language_model

GB = 10**9
MACHINE = Machine(memory=16 * GB, free=8 * GB, gpu=0, operations=1e11, bytes_read=1e10)


@contextmanager
def answering(pages: dict[str, Any]) -> Iterator[int]:
    """A server of JSON pages, by "GET /path"; bytes are sent as they are. Yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            page = pages.get(f"{self.command} {self.path} {body.get('model', '')}".rstrip())
            data = page if isinstance(page, bytes) else json.dumps(page).encode()
            self.send_response(200 if page is not None else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield http.server_port
    finally:
        http.shutdown()
        http.server_close()


def put_into_cache(cache: Path, name: str, folder: Path) -> Path:
    """A model folder as huggingface_hub keeps it."""
    root = cache / f"models--{name.replace('/', '--')}"
    snapshot = root / "snapshots" / ("0" * 40)
    shutil.copytree(folder, snapshot)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("0" * 40)
    return snapshot


@pytest.fixture(scope="module")
def smolvlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_tiny("smolvlm", tmp_path_factory.mktemp("smolvlm") / "m")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n\nlicense: other\n")
    return folder


def test_models_of_the_cache_are_told_by_what_they_are(smolvlm: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    put_into_cache(cache, "HuggingFaceTB/SmolVLM2-256M-Video-Instruct", smolvlm)
    put_into_cache(cache, "some/language", save_tiny_language_model(tmp_path / "language"))
    half = put_into_cache(cache, "some/half", smolvlm)
    (half / "model.safetensors").unlink()
    begun = cache / "models--Qwen--Qwen3.5-9B" / "blobs"
    begun.mkdir(parents=True)
    (begun / "abc.incomplete").write_bytes(b"x" * 100)
    models = {model.model: model for model in cached(MACHINE, cache)}
    assert set(models) == {"smolvlm2-256m", "hf:some/half", "qwen3.5"}
    whole = models["smolvlm2-256m"]
    assert (whole.usable, whole.licence, whole.about) == (True, "apache-2.0", "a video LLM (smolvlm)")
    from transformers import AutoModelForMultimodalLM

    model = AutoModelForMultimodalLM.from_pretrained(smolvlm)
    assert whole.parameters == sum(weight.numel() for weight in {id(w): w for w in model.parameters()}.values())
    tower = parameters_of(smolvlm, seeing=True)
    assert tower == sum(weight.numel() for weight in model.model.vision_model.parameters())
    assert whole.size == sum(path.stat().st_size for path in smolvlm.iterdir())
    assert whole.hour_s is not None
    for name, hub_id in (("hf:some/half", "some/half"), ("qwen3.5", "Qwen/Qwen3.5-9B")):
        assert not models[name].usable
        assert f"fetched only in part: run `hf download {hub_id}`" == models[name].trouble
    assert cached(MACHINE, tmp_path / "absent") == []


def test_a_hub_id_in_the_cache_needs_no_kind(smolvlm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without hf: before it, it was taken for a CALVIN and refused, after it had been fetched."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    put_into_cache(tmp_path, "some/tiny", smolvlm)
    assert isinstance(open_captioner("some/tiny"), VideoLlm)


def test_a_model_too_large_for_the_machine_is_told(smolvlm: Path, tmp_path: Path) -> None:
    put_into_cache(tmp_path, "some/tiny", smolvlm)
    [model] = cached(Machine(2 * GB, GB // 2, 0, 1e11, 1e10), tmp_path)
    assert not model.usable
    assert model.trouble == "needs 1.0 GB of memory, and 500 MB are free"


def test_memory_and_time_by_hand() -> None:
    # 2e9 parameters: 4 bytes each, a fifth more to work, and 1 GB beside; in half precision with a GPU.
    assert MACHINE.needed(2 * GB) == 10_600_000_000
    assert MACHINE.needed(2 * GB, four_bit=True) == 2_440_000_000
    gpu = Machine(16 * GB, 8 * GB, 24 * GB, 1e14, 1e12)
    assert gpu.needed(2 * GB) == 5_800_000_000
    assert (MACHINE.holds(8 * GB), MACHINE.holds(8 * GB + 1), gpu.holds(32 * GB)) == (True, False, True)
    # 320 cues of 2 * 2e9 * 1500 operations at 1e11 a second, and of 30 tokens that read 8 GB each at 10 GB a second.
    assert MACHINE.hour_s(2 * GB) == pytest.approx(320 * (60 + 24))
    # Half of them in the vision tower: 2 * 1e9 * (16 * 1024 + 1500) operations.
    assert MACHINE.hour_s(2 * GB, seeing=GB) == pytest.approx(320 * (357.68 + 24))
    machine = this_machine()
    assert machine.memory >= machine.free > 0
    assert machine.operations > 1e8
    assert machine.bytes_read > 1e8


def test_servers_are_known_by_their_lists() -> None:
    ollama = {
        "GET /v1/models": {"data": [{"id": "qwen3-vl:2b"}]},
        "GET /api/tags": {
            "models": [
                {"name": "qwen3-vl:2b", "size": 1_900_000_000, "details": {"parameter_size": "2.1B"}},
                {"name": "llama3:8b", "size": 4_700_000_000, "details": None},
                {"size": 3},
            ]
        },
        "POST /api/show qwen3-vl:2b": {"capabilities": ["completion", "vision"], "license": "Apache License\nV 2\n\nx"},
        "POST /api/show llama3:8b": {"capabilities": ["completion"]},
    }
    studio = {
        "GET /v1/models": {"data": [{"id": "a"}]},
        "GET /api/v0/models": {
            "data": [
                {"id": "gemma-4-e4b", "type": "vlm"},
                {"id": "phi", "type": "llm"},
                {"id": "nomic", "type": "embeddings"},
            ]
        },
    }
    llama = {
        "GET /v1/models": {"data": [{"id": "x.gguf", "meta": {"n_params": 500, "size": 900}}]},
        "GET /props": {"modalities": {"vision": True}},
    }
    vllm = {"GET /v1/models": {"data": [{"id": "Qwen/Qwen3-VL-8B-Instruct", "owned_by": "vllm"}, {"id": "own/model"}]}}
    with answering(ollama) as one, answering(studio) as two, answering(llama) as three, answering(vllm) as four:
        models = served({"Ollama": one, "LM Studio": two, "llama.cpp": three, "vLLM": four}, timeout_s=10)
        assert models[0].model == f"openai:http://127.0.0.1:{one}/v1#qwen3-vl:2b"
    told = [(m.server, m.name, m.sees, m.size, m.parameters, m.licence) for m in models]
    assert told == [
        ("Ollama", "qwen3-vl:2b", True, 1_900_000_000, 2_100_000_000, "Apache License V 2"),
        ("Ollama", "llama3:8b", False, 4_700_000_000, 8_000_000_000, ""),
        ("LM Studio", "gemma-4-e4b", True, None, 4_000_000_000, ""),
        ("LM Studio", "phi", False, None, None, ""),
        ("llama.cpp", "x.gguf", True, 900, 500, ""),
        ("vLLM", "Qwen/Qwen3-VL-8B-Instruct", True, None, 8_000_000_000, ""),
        ("vLLM", "own/model", None, None, None, ""),
    ]


NO_LISTS = [
    b"<html>A shop</html>",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"data": 3}',
    b'{"data":' + b" " * (1 << 21) + b"[]}",
]


@pytest.mark.parametrize("page", NO_LISTS, ids=["html", "bytes", "deep", "number", "long"])
def test_whatever_else_answers_on_a_port_is_passed_over(page: bytes) -> None:
    with answering({"GET /v1/models": page, "GET /api/tags": page, "GET /props": page}) as port:
        assert served({"Ollama": port, "vLLM": port, "llama.cpp": port, "LM Studio": port}, timeout_s=10) == []


def test_no_server_is_no_trouble() -> None:
    assert served({"Ollama": 9, "vLLM": 9}) == []


def test_sizes_in_names() -> None:
    told = {"4.3B": 4.3e9, "qwen3-vl:8b": 8e9, "SmolVLM2-500M-Video": 5e8, "Qwen3.5-9B": 9e9, "phi": None, "a3bc": None}
    assert {text: parameters_in(text) for text in told} == told


def test_the_best_sees_fits_and_takes_no_longer_than_a_night() -> None:
    def model(name: str, where: Any = "cache", parameters: int = 1, hours: float | None = 1.0, **rest: Any) -> Found:
        return Found(name, where, parameters=parameters, hour_s=hours and hours * 3600, **rest)

    seeing, unknown = model("s", "server", 1, None), model("u", "server", 9, None, sees=None)
    blind, puppet = model("b", "server", 9, None, sees=False), model("calvin-mini", "bundled", 9)
    large, small, slow, slower = model("l", parameters=3), model("m", parameters=2), model("w", "cache", 8, 20), None
    slower = model("x", "cache", 9, 40)
    broken = model("h", parameters=99, trouble="fetched only in part")
    everything = [broken, puppet, blind, slower, slow, small, large, unknown, seeing]
    order = []
    while any(one.usable for one in everything):
        chosen, why = best(everything)
        assert why
        order.append(chosen.model)
        everything.remove(chosen)
    assert order == ["s", "l", "m", "w", "x", "u"]
    with pytest.raises(UsageError, match=r"No model .* is on this machine: .*--model smolvlm2-500m.*ollama pull"):
        best([puppet, blind])
    with pytest.raises(UsageError, match=r"No model .* Of what was fetched before, h: fetched only in part\."):
        best(everything)


def test_the_command_lists_and_auto_takes_the_best(
    smolvlm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(at_hand, "served", lambda _: [])
    bare = CliRunner().invoke(app, ["models"])
    assert bare.exit_code == 0
    assert "calvin-mini: comes with calvin, knows animated puppet films only" in bare.stdout
    assert "No model that can describe any film is on this machine" in bare.stdout
    refused = CliRunner().invoke(app, ["describe", str(tmp_path / "film.mp4"), "--model", "auto"])
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    put_into_cache(tmp_path, "HuggingFaceTB/SmolVLM2-256M-Video-Instruct", smolvlm)
    listed = CliRunner().invoke(app, ["models"]).stdout
    assert "smolvlm2-256m: fetched before, a video LLM (smolvlm), " in listed
    assert "licence apache-2.0, needs 1.0 GB of memory, an hour of film in about " in listed
    assert "--model auto takes smolvlm2-256m, because it is here and fits into memory." in listed
    document = json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)
    assert document["auto"] == "smolvlm2-256m"
    assert [model["usable"] for model in document["models"]] == [False, True]
    told = CliRunner().invoke(app, ["describe", str(tmp_path / "film.mp4"), "--model", "auto"])
    assert "Model: smolvlm2-256m, because it is here" in told.stderr
    assert open_captioner("auto").info.name == "smolvlm2-256m"


def test_what_cannot_be_used_is_refused_with_the_next_step(
    smolvlm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    language = save_tiny_language_model(tmp_path / "language")
    with pytest.raises(CheckpointError, match="is a llama model, not one that looks and writes: `calvin models` lists"):
        open_captioner(f"hf:{language}")
    with pytest.raises(CheckpointError, match=r"no model some/gone: .* go online, or name one that `calvin models`"):
        fetch("some/gone", lambda _: True)
    half = put_into_cache(tmp_path / "cache", "some/half", smolvlm)
    (half / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"some/half was fetched only in part.*run `hf download some/half`"):
        fetch("some/half", lambda _: True)
    small = Machine(2 * GB, GB // 2, 0, 1e11, 1e10)
    monkeypatch.setattr("calvin.captioners.video_llm.this_machine", lambda: small)
    with pytest.raises(UsageError, match=r"needs 1\.0 GB of memory, and 500 MB are free here: .*smaller"):
        open_captioner(str(smolvlm), OpenOptions())


def test_cards_and_weights_that_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# No head\n\nlicense: mit\n")
    (tmp_path / "model.safetensors").write_bytes(b"\x10")
    assert (licence_of(tmp_path), parameters_of(tmp_path), parameters_of(tmp_path / "absent")) == ("", None, None)


def test_all_kinds_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with answering({"GET /v1/models": {"data": [{"id": "llava"}]}}) as port:
        models = found(MACHINE, {"vLLM": port})
    assert [(model.where, model.sees) for model in models] == [("bundled", True), ("server", True)]
