"""Passwords, keys and tokens: what no message shows and no project keeps."""

from __future__ import annotations

import os
import re

MASK = "[key]"
"""What stands for a secret in everything that is shown or stored."""
SERVER_KEY = "CALVIN_API_KEY"
"""The environment variable that holds a model server's key, where it wants one."""
_HELD_IN = (SERVER_KEY, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_LOGIN = re.compile(r"(?<=://)(?:[^\s/?#\"'<>]*@|[^\s/?#@:\"'<>]*:(?!\d{1,5}[/?#\s])[^\s@\"'<>]*@)")
"""`user:password@` in a URL; a password may hold a slash, which a port with a path after it is not."""
_TOKEN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{8,}")
"""A token of the Hugging Face hub."""


def is_secret(key: str) -> bool:
    """Whether a key is one: a short word such as EMPTY, as local servers are given for a key, is not."""
    return len(key) >= 4 and not (key.isalpha() and len(key) < 8)


def masked(text: str) -> str:
    """A text without logins in URLs, tokens of the hub, and the keys that the environment holds."""
    for name in _HELD_IN:
        key = os.environ.get(name, "").strip()
        if is_secret(key):
            text = text.replace(key, MASK)
    if "://" in text:
        text = _LOGIN.sub(f"{MASK}@", text)
    return _TOKEN.sub(MASK, text)


def without_login(name: str) -> str:
    """A name or URL as it may be kept: without a login; a token in it is masked, and has to be given anew."""
    return masked(_LOGIN.sub("", name))
