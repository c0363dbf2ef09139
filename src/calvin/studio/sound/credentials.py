"""Content credentials (C2PA 2) in a finished mix: who made the description, signed so that a change is noticed.

The mark in words that every synthetic mix carries can be taken out by anybody. Credentials are signed with the
certificate of whoever publishes, and programs that show where media come from read them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from calvin.core.errors import MissingExtraError, UsageError
from calvin.core.files import atomic_path
from calvin.core.package import __version__
from calvin.studio.project.origin import PARTLY, Origin, origin_of
from calvin.studio.project.status import spoken_cues
from calvin.studio.project.store import ProjectStore

KINDS: Mapping[str, str] = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".m4a": "audio/mp4",
    ".wav": "audio/wav",
}
"""Files that can carry credentials: the C2PA has no form for Matroska or WebM."""
BY_PEOPLE = "http://cv.iptc.org/newscodes/digitalsourcetype/humanEdits"
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


@dataclass(frozen=True, slots=True)
class Signature:
    """With what is signed: PEM files of the certificate, with those that vouch for it behind it, and of its key."""

    certificate: Path
    key: Path


def check_signature(signature: Signature, target: Path) -> None:
    """Whether a target could be signed, before anything is mixed into it.

    Raises:
        MissingExtraError: the extra `credentials` is not installed.
        UsageError: the target's kind holds no credentials, or the certificate or key cannot be used.
    """
    if target.suffix.lower() not in KINDS:
        raise UsageError(
            f"{target.name} cannot carry content credentials, for which C2PA knows {', '.join(KINDS)}: mix into one of "
            "these, or leave out --sign."
        )
    with _signer(signature):
        pass


def sign_mix(store: ProjectStore, path: Path, signature: Signature) -> str:
    """Put signed credentials into a mix of a project, whole or not at all; what they say, in a sentence.

    They name calvin, the counts of who wrote and spoke, and the term of IPTC's NewsCodes for them.

    Raises:
        MissingExtraError, UsageError: as `check_signature`, or the library refuses the certificate.
    """
    c2pa = _library("c2pa")
    spoken, _ = spoken_cues(store)
    origin = origin_of(store, [one.cue for one in spoken], spoken)
    with atomic_path(path) as signed, _signer(signature) as signer, open(path, "rb") as source:
        try:
            builder = c2pa.Builder(json.dumps(manifest(origin, path.name)))
            with builder, open(signed, "w+b") as target:
                builder.sign(signer, KINDS[path.suffix.lower()], source, target)
        except c2pa.C2paError as error:
            raise UsageError(
                f"{path.name} was mixed, but cannot be signed ({error}): check that the certificate may sign content."
            ) from error
    return f"Signed with {signature.certificate.name}: {said_of(origin)}"


def manifest(origin: Origin, title: str) -> dict[str, Any]:
    """What is signed of a mix, as the C2PA writes it."""
    agent = {"name": "calvin", "version": __version__}
    action = {
        "action": "c2pa.created",
        "digitalSourceType": PARTLY if origin.marked else BY_PEOPLE,
        "description": said_of(origin),
        "softwareAgent": agent,
    }
    return {
        "claim_generator_info": [agent],
        "title": title,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }


def said_of(origin: Origin) -> str:
    """Who made the description, on one line."""
    return origin.mark(in_film=True) or "Audio description written and spoken by people."


def _signer(signature: Signature) -> Any:
    c2pa = _library("c2pa")
    certificate, key = (_read(path) for path in (signature.certificate, signature.key))
    try:
        info = c2pa.C2paSignerInfo(getattr(c2pa.C2paSigningAlg, _algorithm(key, signature.key)), certificate, key, None)
        return c2pa.Signer.from_info(info)
    except c2pa.C2paError as error:
        raise UsageError(
            f"{signature.certificate} with {signature.key} cannot sign ({error}): give the certificate's chain and its "
            "own key, both in PEM form."
        ) from error


def _algorithm(key: bytes, path: Path) -> str:
    """The C2PA's name of how a key signs.

    Raises:
        UsageError: no key, a locked one, or one of another kind.
    """
    serialization = _library("cryptography.hazmat.primitives.serialization")
    try:
        found = serialization.load_pem_private_key(key, password=None)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path} is no private key in PEM form that can be read without a password.") from error
    kind = type(found).__name__.lower()
    if "rsa" in kind:
        return "PS256"
    if "ed25519" in kind:
        return "ED25519"
    curve = getattr(getattr(found, "curve", None), "name", "")
    if curve not in _CURVES:
        raise UsageError(f"{path} is a key that the C2PA does not sign with: use one of P-256, RSA or Ed25519.")
    return _CURVES[curve]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): name the PEM file with --sign.") from error


def _library(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError("Content credentials", "credentials", f"{module} is not installed") from error
