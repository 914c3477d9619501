"""Reads an instruction as actions: what is done to which thing, where it is and where it goes."""

import re
from typing import NamedTuple

from rsd_jax.backbones.rewording.lexicon import PICK, PLACE, RELATIONS, SPOTS, VERBS, Phrase, Relation


class Place(NamedTuple):
    """A place in words.

    Attributes:
        relation: to the anchor; None for a place without one.
        spelling: of the relation, or of the whole place.
        anchor: words of the thing that the place is told by.
    """

    relation: Relation | None
    spelling: str
    anchor: str = ""

    @property
    def text(self) -> str:
        """As it was written."""
        return f"{self.spelling} {self.anchor}".strip()


class Transfer(NamedTuple):
    """A thing is brought to a place.

    Attributes:
        pick: verb of the taking; "" if the instruction does not speak of it.
        thing: what is brought.
        where: places that tell which thing is meant.
        place: verb of the putting.
        destination: where the thing goes.
    """

    pick: str
    thing: str
    where: tuple[Place, ...]
    place: str
    destination: tuple[Place, ...]


class Deed(NamedTuple):
    """Any other action; `verb` is "" if it is unknown.

    Attributes:
        verb: as in the instruction.
        rest: the words behind it.
    """

    verb: str
    rest: str


class _Clause(NamedTuple):
    verb: str
    thing: str
    places: tuple[Place, ...]
    rest: str


Action = Transfer | Deed

_KNOWN_VERBS = [spelling for phrase in (PICK, PLACE, *VERBS) for spelling in phrase.known]
_BY_SPELLING: dict[str, Relation] = {spelling: relation for relation in RELATIONS for spelling in relation.known}
_SPOT_SPELLINGS = [spelling for spot in SPOTS for spelling in spot.known]


def _alternatives(spellings: list[str]) -> str:
    return "|".join(re.escape(spelling) for spelling in sorted(spellings, key=len, reverse=True))


_CLAUSE_END = re.compile(rf" and (?=(?:{_alternatives(_KNOWN_VERBS)}) )")
_VERB = re.compile(rf"({_alternatives(_KNOWN_VERBS)}) (.+)")
_RELATION_WORDS = _alternatives(list(_BY_SPELLING))
_PLACE = re.compile(rf" (?:({_alternatives(_SPOT_SPELLINGS)})(?=$| (?:{_RELATION_WORDS}) )|({_RELATION_WORDS})(?= ))")


def parse(instruction: str) -> tuple[Action, ...]:
    """The actions of an instruction of lower-case words separated by single spaces."""
    clauses = [_clause(text) for text in _CLAUSE_END.split(instruction)]
    actions: list[Action] = []
    while clauses:
        clause = clauses.pop(0)
        goes_on = bool(clauses) and clauses[0].verb in PLACE.known and clauses[0].thing == "it"
        if clause.verb in PICK.known and goes_on and clauses[0].places:
            placing = clauses.pop(0)
            actions.append(Transfer(clause.verb, clause.thing, clause.places, placing.verb, placing.places))
        elif clause.verb in PLACE.known and any(place.relation for place in clause.places):
            where, destination = _split(clause.places)
            actions.append(Transfer("", clause.thing, where, clause.verb, destination))
        else:
            actions.append(Deed(clause.verb, clause.rest))
    return tuple(actions)


def _clause(text: str) -> _Clause:
    found = _VERB.fullmatch(text)
    if found is None:
        return _Clause("", "", (), text)
    verb, rest = found.groups()
    starts = list(_PLACE.finditer(rest))
    ends = [*(match.start() for match in starts), len(rest)]
    places = []
    for match, end in zip(starts, ends[1:], strict=True):
        spot, relation = match.groups()
        places.append(
            Place(None, spot) if spot else Place(_BY_SPELLING[relation], relation, rest[match.end() + 1 : end])
        )
    return _Clause(verb, rest[: ends[0]], tuple(places), rest)


def _split(places: tuple[Place, ...]) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """The last place with an anchor is the destination; what follows it belongs to its anchor."""
    last = max(index for index, place in enumerate(places) if place.relation)
    return places[:last], places[last:]


def spot_of(spelling: str) -> Phrase:
    """The place without an anchor that is spelled so."""
    return next(spot for spot in SPOTS if spelling in spot.known)
