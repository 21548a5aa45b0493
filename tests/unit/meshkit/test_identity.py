import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from groundline.options.v1 import access_pb2
from meshkit.errors import CredentialInvalid
from meshkit.identity import ServiceToken, TokenSigner, TokenVerifier, create_keys
from meshkit.testing import Keys


def test_a_minted_token_stands_for_its_principal(keys: Keys) -> None:
    token = keys.signer.mint(access_pb2.ROLE_AGENT, "ada", groups=["group:billing"], ttl_s=60)
    principal = TokenVerifier(keys.jwks_file).verify(token)
    assert (principal.role, principal.subject, principal.session_id) == (access_pb2.ROLE_AGENT, "ada", None)
    assert principal.groups == {"public", "group:agents", "group:billing"}


def test_supervisors_and_admins_have_the_groups_below_them(keys: Keys) -> None:
    verifier = TokenVerifier(keys.jwks_file)
    assert verifier.verify(keys.token("supervisor")).groups >= {"public", "group:agents", "group:supervisors"}
    assert verifier.verify(keys.token("admin")).groups >= {"public", "group:agents", "group:supervisors"}
    assert verifier.verify(keys.token("customer", session_id="s")).groups == {"public"}


def forged(keys: Keys, **changes: Any) -> str:
    """A token with the right key and the given claims; None leaves a claim out."""
    claims = {
        "iss": "groundline",
        "aud": "groundline",
        "sub": "x",
        "iat": int(time.time()),
        "exp": int(time.time()) + 60,
        "role": "agent",
        "groups": [],
    } | changes
    header = jwt.get_unverified_header(keys.token("agent"))
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, keys.signer._key, algorithm="EdDSA", headers={"kid": header["kid"]})


def test_the_forgery_of_these_tests_is_otherwise_valid(keys: Keys) -> None:
    TokenVerifier(keys.jwks_file).verify(forged(keys))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "elsewhere"},
        {"aud": "elsewhere"},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"role": None},
        {"role": "unspecified"},
        {"role": "root"},
        {"role": 3},
        {"role": "customer"},
        {"role": "customer", "sid": 7},
        {"groups": "group:agents"},
        {"groups": [1]},
        pytest.param({"iat": int(time.time()) + 3600}, id="issued in an hour"),
    ],
    ids=str,
)
def test_wrong_claims_are_refused(keys: Keys, changes: dict[str, Any]) -> None:
    with pytest.raises(CredentialInvalid):
        TokenVerifier(keys.jwks_file).verify(forged(keys, **changes))


def test_wrong_signatures_are_refused(keys: Keys, tmp_path: Path) -> None:
    verifier = TokenVerifier(keys.jwks_file)
    good = keys.token("agent")
    head, body, signature = good.split(".")
    unsigned = jwt.encode({"role": "admin"}, "", algorithm="none", headers={"kid": "x"})
    stranger = Keys.create(tmp_path / "stranger").token("admin")
    other_body = keys.token("admin").split(".")[1]
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kid = jwt.get_unverified_header(good)["kid"]
    other_algorithm = jwt.encode({"role": "admin"}, rsa_key, algorithm="RS256", headers={"kid": kid})
    public = json.loads(keys.jwks_file.read_text())["keys"][0]["x"]
    confused = jwt.encode({"role": "admin"}, public.ljust(64), algorithm="HS256", headers={"kid": kid})
    for token in (
        "",
        "x",
        "a.b.c",
        "\ud800",
        "x" * 100_000,
        unsigned,
        stranger,
        f"{head}.{other_body}.{signature}",
        f"{head}.{body}.{signature[:-4]}AAAA",
        other_algorithm,
        confused,
    ):
        with pytest.raises(CredentialInvalid):
            verifier.verify(token)


def test_a_remembered_token_still_expires(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = TokenVerifier(keys.jwks_file)
    token = keys.token("agent", ttl_s=60)
    verifier.verify(token)
    later = time.time() + 120
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(CredentialInvalid):
        verifier.verify(token)


def test_a_removed_key_is_forgotten_and_a_new_one_learned(keys: Keys, tmp_path: Path) -> None:
    verifier = TokenVerifier(keys.jwks_file, recheck_s=0)
    old = keys.token("agent")
    verifier.verify(old)
    successor = Keys.create(tmp_path / "successor")
    keys.jwks_file.write_text(successor.jwks_file.read_text())
    os.utime(keys.jwks_file, ns=(1, 1))
    with pytest.raises(CredentialInvalid):
        verifier.verify(old)
    verifier.verify(successor.token("agent"))


def test_a_broken_key_file_keeps_the_old_keys(keys: Keys) -> None:
    verifier = TokenVerifier(keys.jwks_file, recheck_s=0)
    keys.jwks_file.write_text("{")
    verifier.verify(keys.token("agent"))
    keys.jwks_file.unlink()
    verifier.verify(keys.token("agent"))


def test_memory_is_bounded(keys: Keys) -> None:
    verifier = TokenVerifier(keys.jwks_file, cache_size=3)
    for number in range(10):
        verifier.verify(keys.token("agent", f"agent-{number}"))
    assert len(verifier._cache) == 3


def test_keys_are_private_and_made_once(tmp_path: Path) -> None:
    pem_file, jwks_file = create_keys(tmp_path / "keys")
    before = pem_file.read_bytes(), jwks_file.read_bytes()
    assert stat.S_IMODE(pem_file.stat().st_mode) == 0o600
    assert create_keys(tmp_path / "keys") == (pem_file, jwks_file)
    assert (pem_file.read_bytes(), jwks_file.read_bytes()) == before
    assert b"PRIVATE" not in before[1]


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="Ed25519"):
        TokenSigner(pem)


def test_a_service_token_is_renewed_before_it_ends(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    token = ServiceToken(keys.signer, "gateway", ttl_s=100)
    first = token.bearer()
    assert token.bearer() == first
    principal = TokenVerifier(keys.jwks_file).verify(first.removeprefix("Bearer "))
    assert (principal.role_name, principal.subject) == ("service", "gateway")
    now, wall = time.monotonic(), time.time()
    monkeypatch.setattr(time, "time", lambda: wall + 85)
    monkeypatch.setattr(time, "monotonic", lambda: now + 75)
    assert token.bearer() == first
    monkeypatch.setattr(time, "monotonic", lambda: now + 85)
    assert token.bearer() != first
