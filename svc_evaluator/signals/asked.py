"""Whether the answer is to what was asked: to each part of the question, and not only about the same subject."""

import re
from functools import lru_cache

from meshkit.text.exact_names import stands_in
from meshkit.text.words import words
from svc_evaluator.case import Case, Line, Passage
from svc_evaluator.signals.finding import Finding

# Where a question begins, within a message: "My router is on 2.6, can I go straight to 2.10?".
_ASKING = (
    r"(?:what|which|who|whom|whose|when|where|why|how|can|could|do|does|did|is|are|was|were|will|would|should|may|must|"
    r"has|have|am|isn't|aren't|doesn't|don't|can't|won't)"
)
_PARTS = re.compile(rf"[?!;]+|\.\s|,?\s+(?:and|or|but)\s+(?={_ASKING}\s)|,\s+(?={_ASKING}\s)", re.IGNORECASE)
_BEGINS = re.compile(rf"\s*(?:and |or |but |so |then )*{_ASKING}\b", re.IGNORECASE)
# Words that ask and name nothing: an answer need not repeat them.
_ASKING_WORDS = """
    what whats which who whom whose when where why how hows much many long often fast soon quickly far old big large
    number amount time mean means happen happens do does work works help know tell explain give say says get gets
    possible way reason problem issue question wrong fix worry worried need want please else use cost costs price
    speed max maximum min minimum valid currently option options alternative alternatives achieve supported aware
"""
_ASKED_BY = frozenset(_ASKING_WORDS.split())
_REFERS_BACK = re.compile(r"\b(?:it|that|this|those|these|them|such)\b", re.IGNORECASE)
# What asks for one end of a row, and what a text says where it names that end.
_ENDS = (
    frozenset(("latest", "newest", "current", "currently", "up-to-date")),
    frozenset(("oldest", "earliest", "first")),
    frozenset(("cheapest", "lowest", "least")),
)
_ANY_END = "|".join(sorted(word for each in _ENDS for word in each))
_ASKS_FOR_AN_END = re.compile(
    rf"\b(?:what|which|whats|what's)\b(?:\s+\w+){{0,3}}?\s+(?P<end>{_ANY_END})\b", re.IGNORECASE
)
# Things that go by a number.
_ASKS_FOR_A_DESIGNATION = re.compile(
    r"\b(?:what|which)\b(?:\s+(?!(?:is|are|does|do|can|if)\b)\w+){0,2}?"
    r"\s+(?P<noun>port|channel|version|vlan|extension)s?\b",
    re.IGNORECASE,
)
# What begins like this leans on the sentence before it.
_LEANS = re.compile(r"(?:during|in|after|before|for|at|of) (?:this|that|these|those)\b", re.IGNORECASE)


def asked_parts(case: Case) -> Finding:
    """Of a message that says more than one thing: the share of its asking parts of which something stands in what is
    cited. What answers the story around a question, or the other of two questions, does not answer it.

    1 where the message is one question: how much of that is covered is `answer_coverage`.
    """
    parts = asking_parts(case.question)
    if len(parts) == 1 and (parts[0] == case.question.rstrip(" ?!.") or _REFERS_BACK.search(parts[0])):
        # "How do I undo that?" asks about the story before it.
        return Finding(1.0)
    spans = _spans(case)
    shown = frozenset(stem for each in spans for stem in _shown(*each))
    text = "\n".join(passage.evidence.text[start:end] for passage, start, end in spans)
    known = {each.lexeme.removeprefix("id:") for each in case.terms}
    named = [_naming(each) & known for each in parts]
    missed = sum(bool(each) and not any(_is_said(stem, shown, text) for stem in each) for each in named)
    return Finding(
        1 - missed / len(parts), f"{missed} of {len(parts)} parts of the question not touched" if missed else ""
    )


def asked_end(case: Case) -> Finding:
    """1 unless the question asks for one end of a row (the latest, the cheapest), and nothing cited names it."""
    asked = _ASKS_FOR_AN_END.search(case.question)
    ends = next((each for each in _ENDS if asked is not None and asked["end"].lower() in each), None)
    if ends is None:
        return Finding(1.0)
    said = " ".join(f"{each.context} {each.evidence.text[start:end]}" for each, start, end in _spans(case)).lower()
    found = any(re.search(rf"\b{re.escape(each)}\b", said) for each in ends)
    return Finding(float(found), "" if found else "asked for an end of a row, which nothing cited names")


def asked_designation(case: Case) -> Finding:
    """1 unless the question asks which port, channel or the like, and nothing that is cited gives one by its number.

    "A port forwarding rule" speaks of ports; "port 8883", or a number under a column that is called so, is one.
    """
    asked = _ASKS_FOR_A_DESIGNATION.search(case.question)
    if asked is None:
        return Finding(1.0)
    noun = asked["noun"].lower()
    given = re.compile(rf"\b{noun}s?\b(?:\W+\w+){{0,2}}?\W+\w*\d", re.IGNORECASE)
    for passage, start, end in _spans(case):
        if given.search(passage.evidence.text[start:end]):
            return Finding(1.0)
        for line in passage.between(start, end):
            if noun in line.header.lower() and any(char.isdigit() for char in line.text):
                return Finding(1.0)
    return Finding(0.0, f"no {noun} is given")


def asked_name_in_place(case: Case) -> Finding:
    """1 unless a page has a part of its own for an exact name that is asked about, and the draft cites only mentions.

    A code in passing ("otherwise the next owner sees E-4007") is no answer where a heading says what it means.
    """
    missed = 0
    for name in case.identifiers:
        own = [each for each in case.usable if stands_in(name, _heading(each))]
        missed += bool(own) and not any(each in own for each in case.cited)
    return Finding(
        float(not missed), f"{missed} exact names have a part of their own that is not cited" if missed else ""
    )


def stands_alone(case: Case) -> Finding:
    """The share of cited sentences that lean on none left out: "During that minute" needs the sentence before it."""
    spans = _spans(case)
    count, leaning = 0, 0
    for passage, start, end in spans:
        lines = passage.lines
        for index, line in enumerate(lines):
            if not start <= line.start < end:
                continue
            count += 1
            if index and not line.row and _LEANS.match(line.text) is not None:
                leaning += not _is_cited(passage, lines[index - 1], spans)
    return Finding(
        1 - leaning / count if count else 1.0, f"{leaning} sentences lean on one not shown" if leaning else ""
    )


def _is_cited(passage: Passage, line: Line, spans: list[tuple[Passage, int, int]]) -> bool:
    return any(one is passage and start < line.end and line.start < end for one, start, end in spans)


@lru_cache(maxsize=1024)
def asking_parts(question: str) -> tuple[str, ...]:
    """The parts of a message that ask and name something; the whole of it where none does."""
    found, at = [], 0
    for mark in (*_PARTS.finditer(question), None):
        part = question[at : mark.start() if mark is not None else len(question)]
        asks = _BEGINS.match(part) is not None or (mark is not None and mark[0].startswith("?"))
        if asks and _naming(part):
            found.append(part.strip())
        at = mark.end() if mark is not None else at
    return tuple(found) or (question.rstrip(" ?!."),)


@lru_cache(maxsize=4096)
def _naming(part: str) -> frozenset[str]:
    return frozenset(each.stem for each in words(part) if not each.stop and each.text.lower() not in _ASKED_BY)


def _spans(case: Case) -> list[tuple[Passage, int, int]]:
    return [span for claim in (case.draft.claims if case.draft is not None else ()) for span in case.spans(claim)]


def _shown(passage: Passage, start: int, end: int) -> frozenset[str]:
    headers = frozenset(each.stem for line in passage.between(start, end) if line.header for each in words(line.header))
    return passage.context_stems.union(headers, *(each.stems for each in passage.between(start, end)))


def _is_said(stem: str, shown: frozenset[str], text: str) -> bool:
    return stem in shown or (not stem.isalpha() and stands_in(stem, text))


def _heading(passage: Passage) -> str:
    """What stands directly above the passage."""
    return passage.evidence.heading_path[-1] if passage.evidence.heading_path else passage.evidence.title
