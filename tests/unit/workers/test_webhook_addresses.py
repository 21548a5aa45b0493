"""Where events may go, and that what was checked is what is connected to."""

import asyncio
import hashlib
import hmac
import ssl
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from meshkit.testing import Keys
from svc_workers.webhooks.addresses import is_public, url_problem
from svc_workers.webhooks.connecting import GuardedBackend, RefusedAddress, Unresolved
from svc_workers.webhooks.sealing import Seal, SecretUnreadable, new_secret
from svc_workers.webhooks.sending import NotSent, Sender, sign

PUBLIC, PUBLIC_6 = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:93.184.215.14",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "",
    "localhost",
    "127.1",
    "0x7f000001",
    "2130706433",
]


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_6, "1.1.1.1", "172.32.0.1", "100.128.0.1", "2a00:1450::1"])
def test_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://hooks.example.com/x?y=1", ""),
        ("https://hooks.example.com:8443/", ""),
        (f"https://[{PUBLIC_6}]/", ""),
        ("http://hooks.example.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://x", "scheme"),
        ("//hooks.example.com", "scheme"),
        ("https://user:word@hooks.example.com/", "credentials"),
        ("https://user@hooks.example.com/", "credentials"),
        ("https://@hooks.example.com/", "credentials"),
        ("https://hooks.example.com/#part", "fragment"),
        ("https:///path", "host"),
        ("https://hooks.example.com:99999/", "host"),
        ("https://hooks.example.com:0/", "host"),
        ("https://[::1/", "host"),
        ("https://hooks.example.com\\@inside/", "credentials"),
        ("https://bücher.example/", "host"),
        ("https://hooks.example.com/a b", "host"),
        ("https://[fe80::1%25eth0]/", "host"),
        ("https://127.0.0.1/", "address"),
        ("https://169.254.169.254/latest/meta-data", "address"),
        ("https://[::ffff:10.0.0.1]/", "address"),
    ],
)
def test_urls(url: str, problem: str) -> None:
    assert url_problem(url, allow_private=False) == problem


def test_development_may_use_http_and_its_own_machine() -> None:
    assert url_problem("http://127.0.0.1:9/x", allow_private=True) == ""
    assert url_problem("ftp://127.0.0.1/x", allow_private=True) == "scheme"


class Network(httpcore.AsyncMockBackend):
    """Connects to nothing, and remembers to what."""

    def __init__(self, peer: str | None = None, refuse: Iterable[str] = ()) -> None:
        super().__init__([])
        self.asked: list[str] = []
        self.closed = 0
        self._peer, self._refuse = peer, set(refuse)

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        self.asked.append(host)
        if host in self._refuse:
            raise httpcore.ConnectError
        network, peer = self, self._peer or host

        class Stream(httpcore.AsyncMockStream):
            def get_extra_info(self, info: str) -> Any:
                return (peer, port) if info == "server_addr" else None

            async def aclose(self) -> None:
                network.closed += 1

        return Stream([])


class Names:
    """A resolver whose answers change."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def test_a_name_that_changes_its_answer_gains_nothing() -> None:
    """Rebinding: public when it is checked, the metadata service when it is used."""
    names, network = Names([PUBLIC], ["169.254.169.254"]), Network()
    guarded = GuardedBackend(resolve=names, network=network)
    await guarded.connect_tcp("rebind.example", 443)
    assert (network.asked, names.asked) == ([PUBLIC], 1), "resolved once, and that very address connected to"
    with pytest.raises(RefusedAddress):
        await guarded.connect_tcp("rebind.example", 443)
    assert network.asked == [PUBLIC]


@pytest.mark.parametrize("inside", ["127.0.0.1", "::1", "::ffff:10.0.0.1", "169.254.169.254", "fd00:ec2::254"])
async def test_one_address_inside_is_one_too_many(inside: str) -> None:
    network = Network()
    for answer in ([inside], [PUBLIC, inside], [inside, PUBLIC]):
        with pytest.raises(RefusedAddress):
            await GuardedBackend(resolve=Names(answer), network=network).connect_tcp("x.example", 443)
    assert network.asked == []
    # The control: with the guard off, the same answer is connected to.
    await GuardedBackend(allow_private=True, resolve=Names([inside]), network=network).connect_tcp("x.example", 443)
    assert network.asked == [inside]


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.1.2.3", "::ffff:127.0.0.1"])
async def test_the_other_end_is_checked_once_connected(peer: str) -> None:
    """Something between us and the address may lead elsewhere."""
    network = Network(peer=peer)
    with pytest.raises(RefusedAddress):
        await GuardedBackend(resolve=Names([PUBLIC]), network=network).connect_tcp("x.example", 443)
    assert (network.asked, network.closed) == ([PUBLIC], 1)


async def test_a_second_address_is_tried_and_no_address_is_no_address() -> None:
    network = Network(refuse=[PUBLIC_6])
    await GuardedBackend(resolve=Names([PUBLIC_6, PUBLIC]), network=network).connect_tcp("x.example", 443)
    assert network.asked == [PUBLIC_6, PUBLIC]
    with pytest.raises(Unresolved):
        await GuardedBackend(resolve=Names([]), network=network).connect_tcp("x.example", 443)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "127.1", "2130706433", "0x7f.1"])
async def test_no_spelling_of_this_machine_is_reached(host: str) -> None:
    """With the system's own resolver and network: not a single connection arrives."""
    arrived = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        arrived += 1
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sender = Sender(GuardedBackend(), timeout_s=5)
    try:
        with pytest.raises(NotSent) as refused:
            await sender.post(f"http://{host}:{port}/hook", b"{}", {})
        assert refused.value.why == "refused_address"
        assert arrived == 0
        # The control: the same address is there to be reached.
        if ":" not in host:
            off = Sender(GuardedBackend(allow_private=True), timeout_s=5)
            with pytest.raises(NotSent) as reached:
                await off.post(f"http://{host}:{port}/hook", b"{}", {})
            assert reached.value.why in ("protocol", "unreachable")
            assert arrived == 1
            await off.close()
    finally:
        await sender.close()
        server.close()


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """A server's side of TLS for `name`; what it shows is in `folder`/cert.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(("host", "why"), [("hook.example", ""), ("other.example", "tls")])
async def test_the_certificate_must_be_the_names_although_an_address_is_connected_to(
    tmp_path: Path, host: str, why: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate(tmp_path, "hook.example"))
    url = f"https://{host}:{server.sockets[0].getsockname()[1]}/hook"
    backend = GuardedBackend(allow_private=True, resolve=Names(["127.0.0.1"]))
    trusting = Sender(backend, timeout_s=5, tls=ssl.create_default_context(cafile=str(tmp_path / "cert.pem")))
    doubting = Sender(backend, timeout_s=5)
    try:
        if why:
            with pytest.raises(NotSent) as refused:
                await trusting.post(url, b"{}", {})
            assert refused.value.why == why
        else:
            assert await trusting.post(url, b"{}", {}) == 204
        with pytest.raises(NotSent) as unknown:
            await doubting.post(url, b"{}", {})
        assert unknown.value.why == "tls"
    finally:
        await trusting.close()
        await doubting.close()
        server.close()


def test_signatures_can_be_checked_by_the_recipe_of_the_contract() -> None:
    value = sign("whsec_abc", b'{"a":1}', at=1_700_000_000)
    expected = hmac.new(b"whsec_abc", b'1700000000.{"a":1}', hashlib.sha256).hexdigest()
    assert value == f"t=1700000000,v1={expected}"
    assert sign("whsec_abd", b'{"a":1}', at=1_700_000_000) != value
    assert sign("whsec_abc", b'{"a":1}', at=1_700_000_001) != value


def test_secrets_open_for_their_endpoint_and_key_only(tmp_path: Any) -> None:
    Keys.create(tmp_path / "a")
    Keys.create(tmp_path / "b")
    seal, other = (Seal.from_file(tmp_path / each / "signing.pem") for each in "ab")
    secret, endpoint_id = new_secret(), uuid4()
    sealed = seal.close(secret, endpoint_id)
    assert secret.encode() not in sealed
    assert seal.open(sealed, endpoint_id) == secret
    assert sealed != seal.close(secret, endpoint_id)
    with pytest.raises(SecretUnreadable):
        other.open(sealed, endpoint_id)
    with pytest.raises(SecretUnreadable):
        seal.open(sealed, uuid4())
