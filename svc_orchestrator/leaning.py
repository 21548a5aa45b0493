"""Whether a question stands alone, and if not, what it needs of what came before it. English; no model."""

import re
from collections.abc import Sequence
from enum import Enum, auto

from meshkit.text.words import Word, words
from svc_orchestrator.topic import is_aspect, is_subject, is_written_as_a_name, subjects


class Needs(Enum):
    """What a message needs of those before it: `NOTHING`; perhaps a `NAME`, as it says little itself ("Where do I find
    the manual?"); `TOPIC`, as it asks something of a thing named before ("What are its symptoms?"); `QUESTION`, as it
    asks what was asked before of another thing, or is no question by itself ("And on 3.5?")."""

    NOTHING = auto()
    NAME = auto()
    TOPIC = auto()
    QUESTION = auto()


# Who writes more than so much says enough; and the patterns take their time over long texts.
_LONGEST_CHARS = 600
_SHORT_WORDS = 3
_FEW_SUBJECTS = 2
# What goes on from the question before and tells so much is a message of its own.
_ENOUGH_IN_ALL = 6

_ASKING = (
    r"(?:what|which|who|whom|whose|when|where|why|how|can|could|do|does|did|is|are|was|were|will|would|should|may|must|"
    r"has|have|had|tell|describe|explain|show|list|give)"
)
_ASKS = re.compile(rf"{_ASKING}\b", re.IGNORECASE)
# With these a message begins that says something else behind them, or goes on from what was said before.
_COURTESY = re.compile(
    r"^(?:(?:hi|hello|hey|thanks|thank you|thx|ok(?:ay)?|great|perfect|cool|yes|sorry)\b[\s,.!]*)+", re.IGNORECASE
)
_GOES_ON = re.compile(r"(?:(?:and|but|so|also|or|then|really)\b,?\s*)+", re.IGNORECASE)
_THE_SAME_OF = re.compile(r"(?:what|how) about\b", re.IGNORECASE)
_WHAT_IF = re.compile(r"what if\b", re.IGNORECASE)
_OPENING = re.compile(r"(?:what about|how about|what if|why not|which one)\b", re.IGNORECASE)

# In "is it possible to" it stands for nothing; "is it safe to eat?" asks of a thing.
_FITTING = (
    r"(?:possible|necessary|allowed|required|mandatory|recommended|advisable|okay|ok|safe|normal|better|best|true|useful|"
    r"worth|important|easy|easier|hard|harder|difficult|common|legal|illegal|an option|a good idea|\w+ed(?= that\b))"
)
_NOTHING_MEANT = re.compile(
    rf"\b(?:is|was|would|will|be|might|may) it (?:be )?(?:also |still |more |very )?{_FITTING}\b"
    r"(?= (?!to \w+\W*$).*\b(?:to|that|if|when)\b)"
    r"|\b(?:make|makes|making) it so\b|\bis it called when\b|\b(?:does|did|would) it mean\b"
    r"|\b(?:does|did|will|would) it (?=(?:take|cost)\b.*\b(?:to|for|until|before|if)\b)",
    re.IGNORECASE,
)
# "What other factors are there?"; but "what is another name for a firebox" says for what.
_OTHERS = re.compile(
    rf"{_ASKING}\b(?:\s+(?:are|is|were|was|there|any|some|the|many))*\s+(?:other|else|another|similar)\b"
    r"(?!.*\b(?:of|for)\b)",
    re.IGNORECASE,
)
# "What is the largest in the world?", "Which is cheaper?": of which things is left unsaid.
_END_OF_A_ROW = re.compile(
    r"\bthe (?:most \w+|\w{2,}est|best|worst|first|last|latest|next|other|others|rest)\b"
    r"(?=\s*(?:$|[?.!,]|(?:ever|in|on|of all|and|for|to|at|one|ones|that|with|from|by)\b))"
    r"|^which (?:one )?(?:is|are|was|were) (?:\w+er|more|less|better|worse|the)\b(?!.*\bor\b)",
    re.IGNORECASE,
)
# Relations between two things of which one is left unsaid: "the impact on biology", "how does it differ".
_RELATION_TO = re.compile(
    r"\b(?:impacts?|effects?|influences?|implications?|relationships?|relations?|connections?|differences?|similarities|"
    r"consequences?) (?:on|for|to|with|from)\b",
    re.IGNORECASE,
)
_BOTH_SAID = re.compile(r"\b(?:of|between)\b.|\band\b", re.IGNORECASE)
_ENDS_IN_A_RELATION = re.compile(r"^(?!.*\band\b).*\b(?:differ|different|compare|similar|related)\W*$", re.IGNORECASE)

_ASKS_WHAT_IT_IS = re.compile(r"(?:what|who)(?:['’]?s| is| are| was| were)\s+(?!the\b)", re.IGNORECASE)
_ASKS_WHAT_THE = re.compile(r"(?:what|who|when|where)(?:['’]?s| is| are| was| were) the\b", re.IGNORECASE)
_OWN = re.compile(r"\b(?:my|our) $", re.IGNORECASE)
_OF = r"\b(?:of|in|on|for|to|at|from|with|between|about|by)\b"
_BEHIND_OF = re.compile(rf"{_OF} (?:the |an? )?$", re.IGNORECASE)
_SAYS_OF_WHICH = re.compile(rf"\s*{_OF}", re.IGNORECASE)

_POINTERS = "it this these those they them he she him ones one that there same instead former latter"
_POSSESSIVES = "its it's their theirs his her hers"
# What these point to may stand before them in the same clause: "move large mails to smaller ones".
_NEAR_POINTERS = "those ones same former latter instead"
# "that" points behind these; elsewhere it joins what it stands between.
_BEFORE_THAT = "do does did done is was of to by on in at for with from like than about after before without into"
_FORMS_OF_BE = "is are was were be been"
# What "those" points to is said behind it: "those who", "those of others".
_SAYING_WHICH = "who that which of where whose"
# With these another clause begins, which may point to the one before it.
_JOINTS = """
    that when if because so before after while until which who where once whether since as than how what why without
"""
_POINTING, _POSSESSIVE = frozenset(_POINTERS.split()), frozenset(_POSSESSIVES.split())
_NEAR, _BEHIND_WHICH_THAT_POINTS = frozenset(_NEAR_POINTERS.split()), frozenset(_BEFORE_THAT.split())
_BE, _SAYS_WHICH, _JOINING = (
    frozenset(_FORMS_OF_BE.split()),
    frozenset(_SAYING_WHICH.split()),
    frozenset(_JOINTS.split()),
)
_CHOOSING, _ADDING = frozenset(("what", "which")), frozenset(("and", "but", "or"))
_BEGINS_A_CLAUSE = re.compile(rf"{_ASKING}|it|its|they|their|them|this|these|he|she|his|her", re.IGNORECASE)
_BREAK = re.compile(r"[,;:.?!(]\s| [-–—] ")
# Who asks "who keeps their promises" asks for them.
_ASKS_FOR_WHOM = re.compile(
    r"(?:who|whose|which|what)\b(?! (?:is|are|was|were|will|would|do|does|did|can)\b)", re.IGNORECASE
)
_DESCRIBES = re.compile(r"(?:what|how|who|describe|tell)\b", re.IGNORECASE)


def needs(text: str) -> Needs:
    """What the text needs of what was said before it, if anything was."""
    text = _COURTESY.sub("", text)
    if len(text) > _LONGEST_CHARS or _names_something(text):
        return Needs.NOTHING
    on = _GOES_ON.match(text)
    text = text[on.end() :] if on else text
    said, about = words(text), subjects(text)
    told = [each for each in said if not each.stop]
    if len(said) <= _SHORT_WORDS and not any(is_subject(each) or is_aspect(each) for each in said):
        return Needs.TOPIC if _points(text) else Needs.QUESTION
    same = _THE_SAME_OF.match(text) is not None
    if same or not _ASKS.match(text):
        if on or same:
            return Needs.QUESTION if len(told) < _ENOUGH_IN_ALL else Needs.NOTHING
        if len(said) <= _SHORT_WORDS and (text.rstrip().endswith("?") or len(told) == 1):
            return Needs.QUESTION
    if (
        not about
        or (len(about) <= _FEW_SUBJECTS and (on or _WHAT_IF.match(text) or _OTHERS.match(text)))
        or _lacks_its_row(text)
        or _lacks_what_it_is_of(text)
        or _speaks_of_the_known(text, about)
        or _points(_NOTHING_MEANT.sub(" given ", text))
    ):
        return Needs.TOPIC
    return Needs.NAME if _says_little(text, about) else Needs.NOTHING


def without_pointers(text: str) -> str:
    """The text without courtesies at its beginning and the words that point to what was said before."""
    for opening in (_COURTESY, _GOES_ON, _OPENING):
        found = opening.match(text)
        text = text[found.end() :].lstrip() if found else text
    kept, at = "", 0
    for each in words(text):
        if _lower(each) in _POINTING | _POSSESSIVE:
            kept, at = f"{kept}{text[at : each.start]} ", each.end
    return kept + text[at:]


def _lacks_its_row(text: str) -> bool:
    found = _END_OF_A_ROW.search(text)
    return found is not None and not subjects(text[: found.start()])


def _lacks_what_it_is_of(text: str) -> bool:
    """Whether the text asks "what type is …", or relates something to a thing that it does not say."""
    said = words(text)
    type_is = len(said) > 2 and _lower(said[0]) in _CHOOSING and is_aspect(said[1]) and _lower(said[2]) in _BE
    one_side = _RELATION_TO.search(text) is not None and not _BOTH_SAID.search(text)
    return type_is or one_side or _ENDS_IN_A_RELATION.search(text) is not None


def _speaks_of_the_known(text: str, about: Sequence[Word]) -> bool:
    """Whether the text speaks of "the system", says no more of it, and does not ask what that is."""
    return (
        len(about) == 1
        and not is_written_as_a_name(about[0])
        and text[: about[0].start].lower().endswith("the ")
        and not _ASKS_WHAT_THE.match(text)
        and not _BEHIND_OF.search(text[: about[0].start])
        and not _SAYS_OF_WHICH.match(text[about[0].end :])
    )


def _says_little(text: str, about: Sequence[Word]) -> bool:
    return (
        len(about) == 1
        and _ASKS.match(text) is not None
        and not is_written_as_a_name(about[0])
        and not _ASKS_WHAT_IT_IS.match(text)
        and not _OWN.search(text[: about[0].start])
        and not _BEHIND_OF.search(text[: about[0].start])
    )


def _points(text: str) -> bool:
    """Whether a word of the text points to what the text itself does not say before it."""
    said = words(text)
    about = [is_subject(each) for each in said]
    # In "does Docker keep its images" its own subject may be meant; in "what are the uses of its oil" hardly.
    enough = 2 if _DESCRIBES.match(text) else 1
    clause = 0
    for index, each in enumerate(said):
        word = _lower(each)
        if index and _starts_a_clause(said, index, text):
            clause = index
        if word in _POSSESSIVE:
            if not any(about[:clause]) and sum(about[:index]) < enough and not _ASKS_FOR_WHOM.match(text):
                return True
        elif word in _POINTING and _is_meant(said, index) and not any(about[: index if word in _NEAR else clause]):
            return True
    return False


def _starts_a_clause(said: Sequence[Word], index: int, text: str) -> bool:
    word = _lower(said[index])
    if word in _ADDING:
        return index + 1 < len(said) and _BEGINS_A_CLAUSE.fullmatch(said[index + 1].text) is not None
    return word in _JOINING or _BREAK.search(text[said[index - 1].end : said[index].start + 1]) is not None


def _is_meant(said: Sequence[Word], index: int) -> bool:
    word, before = _lower(said[index]), _lower(said[index - 1]) if index else ""
    last = index + 1 == len(said)
    if word == "that":
        return not before or last or before in _BEHIND_WHICH_THAT_POINTS
    if word == "one":
        return before in ("which", "that", "this", "another")
    if word in ("same", "former", "latter"):
        return before == "the"
    if word == "those":
        return not any(_lower(each) in _SAYS_WHICH for each in said[index + 1 : index + 4])
    if word == "there":
        return last and before not in _BE
    return True


def _lower(word: Word) -> str:
    return word.text.lower().replace("’", "'")


def _names_something(text: str) -> bool:
    # An error code or product number stands for itself, however short the message.
    return bool(re.search(r"\b(?=\w*\d)(?=\w*[A-Za-z])[\w-]{4,}\b|\b[A-Za-z]+-\d{2,}\b", text))
