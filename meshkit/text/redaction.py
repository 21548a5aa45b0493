"""Takes out of a text what tells who somebody is or lets one act as them. What a case teaches needs none of it.

Rules, not a model: each is a pattern with a check where a pattern alone would take too much. Error codes, SKUs,
versions, prices, dates and network addresses stay: a case without them teaches nothing.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

LONGEST_DIGIT_RUN = 8
"""A longer run of digits is a number of somebody's (account, order, identity), not a value of a product."""


@dataclass(frozen=True, slots=True)
class _Rule:
    label: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool] = lambda _: True

    def apply(self, text: str) -> str:
        """`text` with the label for what the pattern finds; its group `lead`, where it has one, stays."""
        return self.pattern.sub(lambda found: self._replaced(found) if self.check(found[0]) else found[0], text)

    def _replaced(self, found: re.Match[str]) -> str:
        return (found.groupdict().get("lead") or "") + self.label


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())


def _is_card(text: str) -> bool:
    """Luhn's checksum over 13 to 19 digits."""
    digits = [int(char) for char in _digits(text)]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [digit * 2 - 9 * (digit > 4) if at % 2 else digit for at, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    """The checksum of ISO 13616: the number, rearranged, leaves 1 when divided by 97."""
    plain = re.sub(r"[\s-]", "", text).upper()
    if not 15 <= len(plain) <= 34:
        return False
    rearranged = plain[4:] + plain[:4]
    return int("".join(str(int(char, 36)) for char in rearranged)) % 97 == 1


def _is_phone(text: str) -> bool:
    digits = _digits(text)
    if not 7 <= len(digits) <= 15:
        return False
    groups = re.findall(r"\d+", text)
    if _DATE.fullmatch(text) or _ADDRESS.match(text):
        return False
    if text.startswith(("+", "00", "(")) or _NORTH_AMERICAN.fullmatch(text):
        return True
    return text[0] == "0" and len(groups) >= 2 and len(groups[0]) >= 2


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}([./-])\d{1,2}\1\d{4}")
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}(?!\d)")
_NORTH_AMERICAN = re.compile(r"\d{3}[ .-]\d{3}[ .-]\d{4}")
_PHONE = r"(?<![\w.,/:=#€$£-])(?:\+\s?|00)?\(?\d(?:[\d() ./\u00a0-]{5,20})\d(?![\w%€$£]|[.,:/-]\d|-\w)"
# Names are told by where they stand, for nothing else tells them from a product's.
_NAME = r"[^\W\d_a-zß-ÿ][\w'’-]{1,30}(?:[ \t]+[^\W\d_a-zß-ÿ][\w'’.-]{0,30}){0,2}"
_GREETING = r"(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|hi there|thank you|thanks),?"
_SIGNING = r"(?:(?:kind|best|warm|kindest|warmest|many)[ \t]+)?(?:regards|wishes|sincerely|cheers|thanks|yours|best)"
# On a line of its own, or at the end of one: "Regards, Ada (ada@example.org)".
_SIGNED = r"(?:(?:kind|best|warm|kindest|warmest|many)[ \t]+)?(?:regards|wishes|sincerely|cheers)"
_RULES = (
    _Rule("[url]", re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s/@<>\"']{1,256}@[^\s<>\"']{1,2048}", re.IGNORECASE)),
    _Rule(
        "[url]",
        re.compile(
            r"\bhttps?://[^\s<>\"']{1,1024}?[?&#;](?:access_|api_?|auth_?|id_|refresh_|session_?)?"
            r"(?:token|key|secret|password|passwd|pwd|sig|signature|auth|code|credential)s?=[^\s<>\"']{1,1024}",
            re.IGNORECASE,
        ),
    ),
    _Rule(
        "[secret]",
        re.compile(
            r"\bBearer\s+[A-Za-z0-9._~+/=-]{16,2048}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
            r"|\b(?:sk|pk|npk|ghp|gho|xox[bap]|AKIA)[_-]?[A-Za-z0-9_-]{16,}"
        ),
    ),
    _Rule(
        "[secret]",
        re.compile(r"(?i:\b(?:my|the) (?:password|passphrase|pin) is)\s+(?!not\b|too\b|wrong\b|now\b)\S{4,128}"),
    ),
    _Rule("[email]", re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}\b")),
    _Rule("[iban]", re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{2,4}){3,8}\b", re.IGNORECASE), _is_iban),
    _Rule("[card]", re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)"), _is_card),
    _Rule("[phone]", re.compile(_PHONE), _is_phone),
    _Rule("[number]", re.compile(r"(?<![\w.,:-])\d{3,8}(?:[ \u00a0-]\d{3,8}){2,}(?![\w-]|[.,]\d)")),
    _Rule("[number]", re.compile(rf"\d{{{LONGEST_DIGIT_RUN + 1},}}")),
    _Rule("[name]", re.compile(rf"(?P<lead>\b(?i:my (?:full )?name is|my name['’]s)[ \t]+){_NAME}")),
    _Rule("[name]", re.compile(rf"(?P<lead>^[ \t]*(?i:{_GREETING})[ \t]+){_NAME}(?=[ \t]*(?:[,!.:]|$))", re.MULTILINE)),
    _Rule(
        "[name]",
        re.compile(rf"(?P<lead>(?:\b(?i:{_SIGNING})[ \t]*[,!.]?[ \t]*\n\s{{0,8}}|\n[ \t]*—[ \t]*)){_NAME}(?=\s*\Z)"),
    ),
    _Rule(
        "[name]",
        re.compile(rf"(?P<lead>\b(?i:{_SIGNED}),[ \t]{{0,8}}){_NAME}(?=[ \t]{{0,8}}(?:\([^()\n]{{0,80}}\))?[\s.!]*\Z)"),
    ),
)


def redact(text: str, known: Iterable[str] = (), *, agents: Iterable[str] = ()) -> str:
    """`text` with `[email]`, `[phone]`, `[card]`, `[iban]`, `[url]`, `[secret]`, `[number]`, `[name]` in place of such
    things. Names are found where they introduce, greet or sign, and nowhere else.

    `known` are strings that tell who the customer is, such as their id; each becomes `[customer]`; `agents` are names
    of the people who answer, each becomes `[agent]`. Redacting twice changes nothing.
    """
    for label, given in (("[customer]", known), ("[agent]", agents)):
        for word in sorted({each.strip() for each in given}, key=len, reverse=True):
            if len(word) >= 3:
                text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", label, text, flags=re.IGNORECASE)
    for rule in _RULES:
        text = rule.apply(text)
    return text
