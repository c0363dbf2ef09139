"""Where a model server is, as `--model openai:http://host:port/v1#name` says it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from calvin.core.errors import UsageError
from calvin.core.masking import SERVER_KEY


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is and what it calls the model."""

    url: str
    model: str
    local: bool

    @classmethod
    def parse(cls, text: str | None) -> Address:
        """`http://host:port/v1#name`.

        Raises:
            UsageError: another scheme, a password, a query, no host or no name.
        """
        form = "write openai:http://HOST:PORT/v1#MODEL"
        # Before anything is said about it: what cannot be read as an address may still hold a password.
        if "@" in (text or "").partition("#")[0]:
            raise UsageError(f"The address of a model server holds no password: put the key in {SERVER_KEY}.")
        try:
            parts = urlsplit(text or "")
            host, _ = parts.hostname, parts.port
            httpx2.URL(f"{parts.scheme}://{parts.netloc}{parts.path}")
        except (ValueError, httpx2.InvalidURL) as error:
            raise UsageError(f"{text!r} is not an address ({error}): {form}.") from error
        if parts.scheme not in ("http", "https") or not host:
            raise UsageError(f"{text or 'Nothing'} is not the address of a model server: {form}.")
        if parts.query:
            raise UsageError(f"The address of a model server holds no query: put the key in {SERVER_KEY}.")
        if not parts.fragment.strip():
            raise UsageError(f"Which model of {host}: {form}.")
        if not (text or "").isprintable():
            raise UsageError(f"The address {text!r} holds characters that no address has: {form}.")
        return cls(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", parts.fragment.strip(), _is_local(host))

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
