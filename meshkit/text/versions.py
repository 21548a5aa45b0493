"""Version numbers: which ones a question names, and whether a document's version is one of them."""

import re
from collections.abc import Iterable, Mapping, Sequence

from meshkit.text.words import STOP_WORDS, words

_NUMBER = r"\d+(?:\.\d+)*"
_STATED = re.compile(rf"\b(?:v|version|release|ver\.?)\s?({_NUMBER})\b", re.IGNORECASE)
_DOTTED = re.compile(r"(?<![\w.])(\d+(?:\.\d+)+)(?![\w.]*\w)")
_VERSION = re.compile(rf"{_STATED.pattern}|{_DOTTED.pattern}", re.IGNORECASE)
_IN_ADDRESS = re.compile(rf"(?:^|[/_])v({_NUMBER})(?=[/_]|$)")
_NAME_WITH_NUMBER = re.compile(rf"\b([^\W\d_]+)[\s-]?(?:v|V)?({_NUMBER})\b(?!\w)")
# The patterns take time by the square of a run of digits and points.
_LONGEST_PAIR = 600

Versioned = tuple[str, str]
"""A document's version ("" for all), and its title and headings."""


def version_of(stated: str, address: str) -> str:
    """A document's version: as its author wrote it, else as its address says (`…/v3.5/…`); "" where it is for all."""
    plain = stated.strip().lower().removeprefix("v").strip()
    if plain:
        return plain
    in_address = _IN_ADDRESS.search(address)
    return in_address[1] if in_address else ""


def matches(version: str, named: str) -> bool:
    """Whether one is the other or a release of it: `3` and `3.6.2` do, `3` and `30` don't."""
    one, other = version.split("."), named.split(".")
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def versioned_names(documents: Sequence[Versioned]) -> frozenset[str]:
    """The words that carry a version in titles of documents for one: `acme` by "Reset an Acme 2", for version 2."""
    return frozenset(
        found[1].lower()
        for version, titles in documents
        if version
        for found in _NAME_WITH_NUMBER.finditer(titles)
        if matches(version, found[2])
    )


def named_versions(question: str, documents: Sequence[Versioned]) -> frozenset[str]:
    """The versions that the question names, as far as the documents tell what carries one."""
    named = {found[1] for found in _STATED.finditer(question)}
    names = versioned_names(documents)
    named |= {found[2] for found in _NAME_WITH_NUMBER.finditer(question) if found[1].lower() in names}
    # "acme 3.5 …" where documents are for 3.5 and 3.6; but 2.6 says nothing where they are for 2 and 3.
    parts = {version.count(".") for version, _ in documents if version} - {0}
    named |= {found[1] for found in _DOTTED.finditer(question) if found[1].count(".") in parts}
    return frozenset(named)


def carried_over(question: str, following: str) -> str:
    """`question` as asked of the version that `following` asks the same of ("and on 3.5?", "what about an Acme 2?"):
    with that version instead of its own. Unchanged where either names none or several, is long, or `following` asks
    anything else."""
    if len(question) + len(following) > _LONGEST_PAIR:
        return question
    said = {each.stem for each in words(question)}
    for pattern, of_a_name in ((_VERSION, False), (_NAME_WITH_NUMBER, True)):
        found, instead = list(pattern.finditer(question)), list(pattern.finditer(following))
        if len(found) == len(instead) == 1:
            asked, named = found[0], instead[0]
            rest = words(following[: named.start()] + " " + following[named.end() :])
            same = not of_a_name or asked[1].lower() == named[1].lower()
            if same and all(each.stop or each.stem in said for each in rest):
                return question[: asked.start()] + named[0] + question[asked.end() :]
    return question


def is_for(version: str, named: frozenset[str]) -> bool:
    """Whether a document of `version` is for one that is named; true where none is named, or it is for all."""
    return not named or not version or any(matches(version, each) for each in named)


def speaks_of(text: str, names: frozenset[str], version: str) -> bool:
    """Whether `text` names the version: `Acme 3`, where `acme` carries versions; else `v3`, `version 3`."""
    carriers = "|".join((*(re.escape(each) for each in sorted(names)), "v", "version", "release"))
    return re.search(rf"(?<!\w)(?:{carriers})[\s-]?{re.escape(version)}(?!\w)", text, re.IGNORECASE) is not None


def names_of_version(text: str, names: frozenset[str], version: str) -> str:
    """How `text` writes one of the names with this very version: "Acme 3"; "" if it doesn't."""
    for found in _NAME_WITH_NUMBER.finditer(text):
        if found[1].lower() in names and found[2] == version:
            return found[0]
    return ""


def numbered_names(question: str, texts: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Names with a number in the question (`acme 2`), by name in small letters, as far as `texts` write them large."""
    known = {found[1].lower() for text in texts for found in _NAME_WITH_NUMBER.finditer(text) if found[1][0].isupper()}
    named: dict[str, frozenset[str]] = {}
    for found in _NAME_WITH_NUMBER.finditer(question):
        name = found[1].lower()
        if name in known and name not in STOP_WORDS and len(name) > 1:
            named[name] = named.get(name, frozenset()) | {found[2]}
    return named


def speaks_of_another(text: str, named: Mapping[str, frozenset[str]]) -> bool:
    """Whether `text` gives one of the names other numbers than those asked about, and none of these."""
    for name, numbers in named.items():
        found = {each[2] for each in _NAME_WITH_NUMBER.finditer(text) if each[1].lower() == name}
        if found and not any(matches(one, other) for one in found for other in numbers):
            return True
    return False
