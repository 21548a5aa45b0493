"""Languages and the text search configurations of PostgreSQL that stem them."""

import re

# By BCP 47's primary language subtag. What PostgreSQL has no stemmer for is matched as written (`simple`).
_CONFIGURATIONS = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
SIMPLE = "simple"
CONFIGURATIONS = frozenset(_CONFIGURATIONS.values()) | {SIMPLE}
_LANGUAGES = {name: code for code, name in reversed(_CONFIGURATIONS.items())}
_SUBTAG = re.compile(r"[A-Za-z]{2,3}(?![A-Za-z])|[A-Za-z]{4,}")


def configuration_of(language: str) -> str:
    """The configuration for a language by its BCP 47 tag (`de-AT`) or English name; `simple` for one without a stemmer,
    "" for what names no language."""
    found = _SUBTAG.match(language.strip())
    if found is None:
        return ""
    name = found[0].lower()
    if name in CONFIGURATIONS:
        return name
    return _CONFIGURATIONS.get(name, SIMPLE if len(name) < 4 else "")


def language_of(configuration: str) -> str:
    """The BCP 47 tag of a configuration's language: the commonest, where it serves several; "" for `simple`."""
    return _LANGUAGES.get(configuration, "")


def stemmer_of(configuration: str) -> str:
    """What `meshkit.text.words` calls a configuration's stemmer: English for "", none (`simple`) for a strange one."""
    return configuration if configuration in CONFIGURATIONS else SIMPLE if configuration else "english"
