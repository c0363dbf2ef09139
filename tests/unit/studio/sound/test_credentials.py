"""Signed credentials in a mix: read back by C2PA's own library, broken by a change, refused before the work."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from typer.testing import CliRunner

from calvin.cli.main import command_line
from calvin.core.errors import MissingExtraError, UsageError
from calvin.core.files import file_sha256
from calvin.core.time import Span
from calvin.core.types import Author, Cue
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.origin import PARTLY, Origin, origin_of
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound import credentials
from calvin.studio.sound.credentials import BY_PEOPLE, Signature, check_signature, manifest, sign_mix
from calvin.studio.sound.film_mix import mix_project
from calvin.studio.sound.voiced_cues import VoiceSettings, voice_project


def certificate(name: str, key: Any, vouches: tuple[str, Any] | None = None) -> x509.Certificate:
    """One that vouches for others, or that one of these vouches for."""
    now, authority = datetime.now(UTC), vouches is None
    issuer, issuing = vouches or (name, key)

    def named(text: str) -> x509.Name:
        words = ((NameOID.COMMON_NAME, text), (NameOID.ORGANIZATION_NAME, "Test studio"))
        return x509.Name([x509.NameAttribute(kind, value) for kind, value in words])

    uses = [not authority, *[False] * 4, authority, authority, False, False]
    built = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(x509.KeyUsage(*uses), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing.public_key()), critical=False)
    )
    if not authority:
        built = built.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return built.sign(issuing, hashes.SHA256())


def pem(key: Any, password: bytes | None = None) -> bytes:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


@pytest.fixture(scope="module")
def signature(tmp_path_factory: pytest.TempPathFactory) -> Signature:
    folder = tmp_path_factory.mktemp("keys")
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = [certificate("Signer", own, ("Authority", authority)), certificate("Authority", authority)]
    both = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
    (folder / "studio.pem").write_bytes(both)
    (folder / "studio.key").write_bytes(pem(own))
    return Signature(folder / "studio.pem", folder / "studio.key")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, make_film: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("signed")
    film = make_film(folder / "film.mp4")
    with ProjectStore(folder / "p", create=True) as store:
        store.bind_film(FilmRow("Film", str(film), file_sha256(film), 9000, {}))
        store.add_cue(Cue("", Span(500, 3000), "Mara waits.", Span(500, 3000), 500))
    voice_project(folder / "p", ToneVoice(), VoiceSettings(rate=300))
    return folder / "p"


def read(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The manifest in a file, and what its validation found wrong."""
    with c2pa.Reader(str(path)) as reader:
        found = json.loads(reader.json())
    wrong = [one["code"] for one in found.get("validation_status", [])]
    return found["manifests"][found["active_manifest"]], wrong


def actions(found: dict[str, Any]) -> list[dict[str, Any]]:
    [one] = [one for one in found["assertions"] if one["label"] == "c2pa.actions.v2"]
    return list(one["data"]["actions"])


@pytest.mark.parametrize("suffix", [".mp4", ".wav"])
def test_a_mix_is_signed_and_plays_as_before(project: Path, signature: Signature, tmp_path: Path, suffix: str) -> None:
    plain, signed = tmp_path / f"plain{suffix}", tmp_path / f"signed{suffix}"
    mix_project(project, plain)
    words = ["mix", str(project), "-o", str(signed), "--sign", str(signature.certificate), str(signature.key)]
    result = CliRunner().invoke(command_line(["mix"]), words)
    assert result.exit_code == 0, result.output
    assert "Signed with studio.pem" in result.output
    found, wrong = read(signed)
    [action] = actions(found)
    assert action["digitalSourceType"] == PARTLY
    assert "AI-generated audio description" in action["description"]
    assert found["signature_info"]["issuer"] == "Test studio"
    assert wrong == ["signingCredential.untrusted"]  # nobody on this machine vouches for the test's authority

    def heard(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux() if packet.size]

    assert heard(signed) == heard(plain)


def test_a_change_is_noticed(project: Path, signature: Signature, tmp_path: Path) -> None:
    path = tmp_path / "film.wav"
    mix_project(project, path)
    with ProjectStore(project, read_only=True) as store:
        sign_mix(store, path, signature)
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    path.write_bytes(data)
    assert "assertion.dataHash.mismatch" in read(path)[1]


def test_people_are_said_to_be_people(project: Path) -> None:
    with ProjectStore(project, read_only=True) as store:
        [cue] = store.cues
        human = origin_of(store, [replace(cue, author=Author.HUMAN)])
    [action] = actions(manifest(human, "film.mp4"))
    assert action["digitalSourceType"] == BY_PEOPLE
    assert action["description"] == "Audio description written and spoken by people."
    assert actions(manifest(Origin(cues=1, by_model=1), "x"))[0]["digitalSourceType"] == PARTLY


def test_what_cannot_be_signed_is_said_before_the_work(project: Path, signature: Signature, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot carry content credentials"):
        check_signature(signature, tmp_path / "film.mkv")
    with pytest.raises(UsageError, match="cannot be read"):
        check_signature(replace(signature, key=tmp_path / "none.key"), tmp_path / "film.mp4")
    locked = tmp_path / "locked.key"
    locked.write_bytes(pem(ec.generate_private_key(ec.SECP256R1()), b"word"))
    with pytest.raises(UsageError, match="without a password"):
        check_signature(replace(signature, key=locked), tmp_path / "film.mp4")
    other = tmp_path / "k256.key"
    other.write_bytes(pem(ec.generate_private_key(ec.SECP256K1())))
    with pytest.raises(UsageError, match="does not sign with"):
        check_signature(replace(signature, key=other), tmp_path / "film.mp4")
    words = [
        "mix",
        str(project),
        "-o",
        str(tmp_path / "film.mkv"),
        "--sign",
        *map(str, (signature.certificate, locked)),
    ]
    result = CliRunner().invoke(command_line(["mix"]), words)
    assert result.exit_code == 2
    assert not list(tmp_path.glob("film.*"))


def test_each_kind_of_key_has_its_algorithm(tmp_path: Path) -> None:
    for key, name in (
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ed25519.Ed25519PrivateKey.generate(), "ED25519"),
    ):
        assert credentials._algorithm(pem(key), tmp_path) == name


def test_without_the_library_a_sentence_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, signature: Signature, tmp_path: Path
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(credentials, "import_module", missing)
    with pytest.raises(MissingExtraError, match="credentials"):
        check_signature(signature, tmp_path / "film.mp4")
