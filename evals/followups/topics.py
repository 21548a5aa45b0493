"""Conversations of which a person wrote every turn anew, to stand alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from evals.set_files import SetUnusable
from evals.sets import part_of
from meshkit.text.words import words

CAST = Path(__file__).with_name("cast2019.tsv")


@dataclass(frozen=True)
class Turn:
    """A question as asked, after `earlier` ones of the same customer, oldest first; `rewritten` stands alone."""

    turn_id: str
    asked: str
    rewritten: str
    earlier: tuple[str, ...] = ()

    @property
    def topic(self) -> str:
        """The conversation that it belongs to."""
        return self.turn_id.rpartition("_")[0]

    @cached_property
    def added(self) -> frozenset[str]:
        """The stems that the person added and that tell something."""
        return told(self.rewritten) - told(self.asked)


def told(text: str) -> frozenset[str]:
    """The stems of the text's words that tell something."""
    return frozenset(_plain(each.stem) for each in words(text) if not each.stop)


def read_topics(path: Path = CAST, *, part: str = "") -> list[Turn]:
    """The turns of the file, in order, of one part ("": both). Raises SetUnusable for a line that can't be read."""
    turns: list[Turn] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split("\t")
        if len(fields) != 3 or not fields[0].rpartition("_")[0]:
            raise SetUnusable(f"{path.name}:{number}: expected `topic_turn`, the turn and its rewriting, by tabs")
        turn = Turn(fields[0], fields[1], fields[2])
        before = turns[-1] if turns and turns[-1].topic == turn.topic else None
        earlier = (*before.earlier, before.asked) if before else ()
        turns.append(Turn(turn.turn_id, turn.asked, turn.rewritten, earlier))
    return [each for each in turns if part in ("", part_of(each.topic))]


def of_topics(turns: Iterable[Turn]) -> Sequence[Sequence[int]]:
    """The places of the turns of each topic."""
    places: dict[str, list[int]] = {}
    for place, turn in enumerate(turns):
        places.setdefault(turn.topic, []).append(place)
    return list(places.values())


def _plain(stem: str) -> str:
    # "cancer's" is "cancer": the person wrote many a genitive, the rules write none.
    return stem.removesuffix("'s").removesuffix("'")
