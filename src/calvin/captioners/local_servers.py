"""Model servers on this machine: whoever answers on the usual ports, and which of its models see.

Only this machine itself is asked, for lists of models and never to run one. What answers may be anything, so no more
than a list takes is read, no redirect is followed, and no proxy is asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx2

PORTS: Mapping[str, int] = {"Ollama": 11434, "LM Studio": 1234, "llama.cpp": 8080, "vLLM": 8000}
TIMEOUT_S = 1.0
MAX_LIST = 1 << 20
MOST = 40
"""Models of a server that are looked at."""
_SEES = re.compile(
    r"(?<![a-z])(vlm?|vision|visual|omni)(?![a-z])|llava|gemma-?[34]|qwen-?3\.5|minicpm-?v|moondream|pixtral|molmo"
    r"|internvl|smolvlm|videollama|llama4|llama3\.2-vision|mistral-small3",
    re.IGNORECASE,
)
_COUNT = re.compile(r"(?<![a-z0-9.])e?(\d+(?:\.\d+)?)\s*([bm])(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Served:
    """A model of a server. `sees` is None where neither the server nor the name tells; sizes are in bytes."""

    server: str
    url: str
    name: str
    sees: bool | None = None
    size: int | None = None
    parameters: int | None = None
    licence: str = ""

    @property
    def model(self) -> str:
        """What follows `--model`."""
        return f"openai:{self.url}#{self.name}"


def served(ports: Mapping[str, int] = PORTS, timeout_s: float = TIMEOUT_S) -> list[Served]:
    """The models of the servers that answer on this machine, in the order of `ports`."""
    with ThreadPoolExecutor(max(len(ports), 1)) as pool:
        asked = [pool.submit(_ask, name, port, timeout_s) for name, port in ports.items()]
        return [model for one in asked for model in one.result()]


def _ask(server: str, port: int, timeout_s: float) -> list[Served]:
    base = f"http://127.0.0.1:{port}"
    try:
        with httpx2.Client(
            timeout=timeout_s, follow_redirects=False, trust_env=False, headers={"Accept-Encoding": "identity"}
        ) as client:
            listed = _rows(_get(client, f"{base}/v1/models"), "data")
            if server == "Ollama":
                rows = _rows(_get(client, f"{base}/api/tags"), "models")
                return [_ollama(client, base, row) for row in rows[:MOST] if _name(row, "name")]
            if server == "LM Studio":
                listed = _rows(_get(client, f"{base}/api/v0/models"), "data") or listed
            props = _get(client, f"{base}/props") if server == "llama.cpp" and listed else None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError):
        return []
    models = [_openai(server, base, row, props) for row in listed[:MOST] if _name(row, "id")]
    return [model for model in models if model is not None]


def _openai(server: str, base: str, row: dict[str, Any], props: Any) -> Served | None:
    """A row of /v1/models, or of LM Studio's own list; None for a model of embeddings."""
    name, meta = _name(row, "id"), row.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    if row.get("type") == "embeddings":
        return None
    sees = True if _SEES.search(name) else None
    if row.get("type") in ("vlm", "llm"):
        sees = row["type"] == "vlm"
    if isinstance(props, dict) and isinstance(props.get("modalities"), dict):
        sees = bool(props["modalities"].get("vision"))
    # Another server than expected may sit behind a port; vLLM says who it is.
    who = "vLLM" if row.get("owned_by") == "vllm" else server
    return Served(
        who, f"{base}/v1", name, sees, _whole(meta.get("size")), _whole(meta.get("n_params")) or parameters_in(name)
    )


def _ollama(client: httpx2.Client, base: str, row: dict[str, Any]) -> Served:
    name = _name(row, "name")
    found: Any = {}
    with suppress(httpx2.HTTPError, OSError, ValueError):  # an older one; the name may tell
        found = _get(client, f"{base}/api/show", {"model": name})
    found = found if isinstance(found, dict) else {}
    can = found.get("capabilities")
    sees = "vision" in can if isinstance(can, list) else (True if _SEES.search(name) else None)
    details = row.get("details") if isinstance(row.get("details"), dict) else {}
    licence = found.get("license")
    return Served(
        "Ollama", f"{base}/v1", name, sees, _whole(row.get("size")),
        parameters_in(str((details or {}).get("parameter_size", ""))) or parameters_in(name),
        " ".join(licence.split("\n\n")[0].split())[:60] if isinstance(licence, str) else "",
    )  # fmt: skip


def _get(client: httpx2.Client, url: str, body: Any = None) -> Any:
    """What a server says in JSON, asked by POST if there is a body; None where it has no such page.

    Raises:
        ValueError: too long, or not JSON.
    """
    with client.stream("GET" if body is None else "POST", url, json=body) as answer:
        if answer.status_code != 200:
            return None
        said = b""
        for part in answer.iter_bytes():
            said += part
            if len(said) > MAX_LIST:
                raise ValueError("too long for a list of models")
    try:
        return json.loads(said)
    except RecursionError as error:
        raise ValueError("too deep for a list of models") from error


def _rows(said: Any, key: str) -> list[dict[str, Any]]:
    rows = said.get(key) if isinstance(said, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _name(row: dict[str, Any], key: str) -> str:
    """A model's name, if it is one that can follow --model."""
    name = row.get(key)
    return name if isinstance(name, str) and name.isprintable() and len(name) < 200 else ""


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def parameters_in(text: str) -> int | None:
    """How many parameters a name or size tells: '4.3B', 'qwen3-vl:8b', 'SmolVLM2-500M'."""
    found = _COUNT.search(text.replace("_", "-"))
    return round(float(found[1]) * (1e9 if found[2].lower() == "b" else 1e6)) if found else None
