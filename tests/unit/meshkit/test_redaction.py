"""What is taken out, and what must survive."""

import pytest

from meshkit.text.redaction import redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to jane.doe+shop@mail.example.org please", "Write to [email] please"),
        ("mail: o'neil@example.co.uk.", "mail: [email]."),
        ("müller@bücher.example", "[email]"),
        ("Call +44 20 7946 0958 today", "Call [phone] today"),
        ("Call +1 (555) 010-9999.", "Call [phone]."),
        ("Call 0049 30 901820", "Call [phone]"),
        ("Tel. 030/901820-17, please", "Tel. [phone], please"),
        ("(555) 010-9999 is mine", "[phone] is mine"),
        ("555-010-9999", "[phone]"),
        ("card 4111 1111 1111 1111 exp", "card [card] exp"),
        ("card 4111-1111-1111-1111", "card [card]"),
        ("5500005555555559", "[card]"),
        ("IBAN DE89 3704 0044 0532 0130 00, thanks", "IBAN [iban], thanks"),
        ("GB82WEST12345698765432", "[iban]"),
        ("see https://bob:hunter2@host.example/x?y=1 now", "see [url] now"),
        ("ftp://u:p@h.example", "[url]"),
        ("https://h.example/reset?token=abc123def", "[url]"),
        ("https://h.example/cb?state=1&access_token=abc", "[url]"),
        ("Authorization: Bearer npk_0123456789abcdef0123", "Authorization: [secret]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "[secret]"),
        ("My password is hunter2!", "[secret]"),
        ("account 123456789012", "account [number]"),
        ("order no. 204817334455 is late", "order no. [number] is late"),
        ("ref AB1234567890", "ref AB[number]"),
        ("Hello, my name is Jane Doe and it fails", "Hello, my name is [name] and it fails"),
        ("my name's Åsa. Help", "my name's [name]. Help"),
        ("Hi Jane,\nhold RESET", "Hi [name],\nhold RESET"),
        ("Dear Jane O'Neil!\nIt holds 40.", "Dear [name]!\nIt holds 40."),
        ("It blinks.\n\nKind regards,\nJane Doe\n", "It blinks.\n\nKind regards,\n[name]\n"),
        ("Restart it.\n— Maya", "Restart it.\n— [name]"),
        ("It is 1000 ms. Regards, Ada (ada@example.org)", "It is 1000 ms. Regards, [name] ([email])"),
        ("Hold RESET. Best wishes, Jane Doe.", "Hold RESET. Best wishes, [name]"),
    ],
)
def test_taken_out(text: str, expected: str) -> None:
    assert redact(text) == expected
    assert redact(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "E-4012 appears after the update, then W-207 and E-2001",
        "LM3-PRO-EU and LM3-KIT-2N-EU, LM3-PSU-C30-UK",
        "RMA-204817",
        "firmware 3.6.2, 2.14.6 and v10.0.19045.3803",
        "set 192.168.50.1/24, gateway 10.0.0.254:8443, fe80::1ff:fe23:4567:890a",
        "MAC 00:1B:44:11:3A:B7",
        "it costs €1,299.00 or 1 299 EUR, 12.500,00 €",
        "from 2026-05-21 to 2026-06-01 at 14:30:05",
        "on 21.05.2026 and 5/21/2026",
        "2026-05-21T14:30:05Z",
        "ports 27017-27019 and 8080, 8443",
        "hold RESET for 12 seconds, MTU 1492, −115 dBm",
        "HTTP 429 after 1,200 requests per minute",
        "curl https://api.northpine.example/v1/gateways?page_size=50",
        "https://docs.example/reset-password#steps",
        "ssh admin@192.168.60.1",
        "@channel, a@b",
        "my password is not accepted",
        "--snapshot-count 100000, 20480 bytes",
        "channels 36 to 48, bands 1, 3, 7, 8, 20, 28",
        "50 x 40 x 30 mm",
        "Hello World is printed by the Lumen 3",
        "Dear all, it blinks; thanks,\nand it is Green at the end",
        "Hi there, this is Lumen 3 and its name is Lumen",
        "Do this:\n- Restart",
        "Regards the Lumen 3 as new",
        "As it regards, Lumen 3 restarts by itself",
        "",
    ],
)
def test_survives(text: str) -> None:
    assert redact(text) == text


def test_known_words_become_the_customer() -> None:
    assert redact("I am C-77, customer c-77, not C-778", ["C-77", "x"]) == (
        "I am [customer], customer [customer], not C-778"
    )


def test_agents_names_become_the_agent() -> None:
    assert redact("Maya Lind here; maya lind answers, Mayan does not", agents=["Maya Lind", ""]) == (
        "[agent] here; [agent] answers, Mayan does not"
    )


def test_long_hostile_text_is_fast() -> None:
    for text in (
        "1 " * 50_000,
        "a@" * 50_000,
        "http://" * 10_000,
        "(" * 50_000,
        "+1" * 30_000,
        "DE89 " * 20_000,
        "Hi A" * 20_000,
        "Dear " * 20_000,
        "thanks\n" * 20_000,
        "A" * 50_000,
        "\n— Aa" * 20_000,
    ):
        redact(text)
