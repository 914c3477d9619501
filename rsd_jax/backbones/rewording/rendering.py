"""Writes one rewording of parsed actions."""

import random
import re
from collections.abc import Sequence

from rsd_jax.backbones.rewording.lexicon import (
    DROPPED_WORDS,
    JOIN,
    MOVE,
    ORIGIN_ONLY,
    PICK,
    PLACE,
    SEEK,
    THINGS,
    VERBS,
    WHICH,
    WRAPPERS,
    Part,
    Phrase,
)
from rsd_jax.backbones.rewording.parsing import Action, Deed, Place, Transfer, spot_of

PLAIN = "{pick} {thing} {where} {join} {place} {it} {destination}"
SHORT = "{place} {thing} {which} {destination}"

PATTERNS: dict[Part, tuple[str, ...]] = {
    "training": (
        "{pick} {thing} {which} {join} {place} {it} {destination}",
        "{move} {thing} {which} {destination}",
        SHORT,
        "{place} {destination} {thing} {which}",
        "{seek} {thing} {which} {join} {place} {it} {destination}",
        "{pick} {thing} {which} {join} {place} {destination}",
    ),
    "heldout": (
        "{destination} {place} {thing} {which}",
        "{thing} {which} must be brought {destination}",
        "{thing} {which} should go {destination}",
        "{seek} {thing} {which} {join} {move} {it} {destination}",
        "{move} {thing} {which} to have {it} {destination}",
    ),
}
"""Sentences that bring a thing to a place, beside the instruction's own."""

REPLACED_SHARE = 0.65
"""Share of phrases that are replaced, and of sentences that are built anew."""

TELEGRAM_SHARE = 0.15

_IMPERATIVE = ("{pick}", "{place}", "{move}", "{seek}")


class Renderer:
    """Chooses the words of one rewording: a thing has the same name wherever it occurs.

    Args:
        part: of the lexicon.
        rng: all choices come from it.
    """

    def __init__(self, part: Part, rng: random.Random) -> None:
        self._part = part
        self._rng = rng
        self._names: dict[str, str] = {}

    def sentence(self, actions: Sequence[Action]) -> str:
        """A rewording of `actions`, words separated by single spaces."""
        is_single = len(actions) == 1
        texts = [self._transfer(a, is_single) if isinstance(a, Transfer) else self._deed(a) for a in actions]
        text = f" {self._choose(JOIN, 'and')} ".join(text for text, _ in texts)
        dropped = DROPPED_WORDS[self._part]
        if dropped and self._rng.random() < TELEGRAM_SHARE:
            text = _drop(text, self._rng.choice(dropped))
        if all(is_imperative for _, is_imperative in texts):
            text = self._choose(WRAPPERS, "{}").format(text)
        return " ".join(text.split())

    def _choose(self, phrase: Phrase, original: str) -> str:
        others = phrase.replacements(self._part)
        if original and (not others or self._rng.random() >= REPLACED_SHARE):
            return original
        return self._rng.choice(others)

    def _transfer(self, action: Transfer, is_single: bool) -> tuple[str, bool]:
        own = PLAIN if action.pick else SHORT
        pattern = own
        if self._rng.random() < REPLACED_SHARE:
            patterns = [p for p in PATTERNS[self._part] if _keeps_references(p, action, is_single)]
            pattern = self._rng.choice(patterns or [own])
        it = "them" if "both" in action.thing.split() else "it"
        text = pattern.format(
            pick=self._choose(PICK, action.pick or PICK.known[0]),
            place=self._choose(PLACE, action.place),
            move=self._choose(MOVE, ""),
            seek=self._choose(SEEK, ""),
            join=self._choose(JOIN, "and"),
            thing=self._name(action.thing),
            where=self._where(action.where),
            which=self._where(action.where) if pattern == SHORT == own else self._which(action.where),
            it=it,
            destination=self._destination(action.destination, is_moved="{move}" in pattern),
        )
        return text, pattern.startswith(_IMPERATIVE)

    def _deed(self, action: Deed) -> tuple[str, bool]:
        verb = next((phrase for phrase in (*VERBS, PICK, PLACE) if action.verb in phrase.known), None)
        replaced = self._choose(verb, action.verb) if verb else action.verb
        return f"{replaced} {self._name(action.rest)}", True

    def _where(self, places: tuple[Place, ...]) -> str:
        """Right behind a verb of taking: the place, or whence."""
        use_origin = self._rng.random() < 0.3
        return " ".join(self._place(place, "origin" if use_origin else "place") for place in places)

    def _which(self, places: tuple[Place, ...]) -> str:
        """Behind any verb: with words that tie the place to the thing, or it could be taken for the destination."""
        if not places:
            return ""
        return f"{self._choose(WHICH, '')} " + " ".join(self._place(place, "which") for place in places)

    def _destination(self, places: tuple[Place, ...], is_moved: bool) -> str:
        """Where the thing goes; "move the bowl on the plate" could be a bowl that is on it, "onto the plate" not."""
        return " ".join(self._place(place, "goal" if is_moved else "destination") for place in places)

    def _place(self, place: Place, role: str) -> str:
        if place.relation is None:
            return self._choose(spot_of(place.spelling), place.spelling)
        relation = place.relation
        roles = {"origin": relation.origin, "destination": relation.destination, "goal": relation.destination}
        phrase, original = roles.get(role, relation.place), place.spelling
        if role == "which" and original == ORIGIN_ONLY:
            original = "at"
        elif role == "goal" and phrase.replacements(self._part):
            original = ""
        return f"{self._choose(phrase, original)} {self._anchor(place)}"

    def _anchor(self, place: Place) -> str:
        first, middle, second = place.anchor.partition(" and ")
        if place.spelling == "between" and middle and self._rng.random() < 0.5:
            return f"{self._name(second)} and {self._name(first)}"
        return self._name(place.anchor)

    def _name(self, words: str) -> str:
        return _THING.sub(lambda match: self._name_of_thing(match.group()), words)

    def _name_of_thing(self, known: str) -> str:
        if known not in self._names:
            phrase = next(phrase for phrase in THINGS if known in phrase.known)
            self._names[known] = self._choose(phrase, known)
        return self._names[known]


_SPELLINGS = sorted((spelling for thing in THINGS for spelling in thing.known), key=len, reverse=True)
_THING = re.compile(rf"\b(?:{'|'.join(_SPELLINGS)})\b")


def _keeps_references(pattern: str, action: Transfer, is_single: bool) -> bool:
    """Whether every "it" of the instruction, also of a following action, still stands for the same thing."""
    is_followable = pattern.startswith(_IMPERATIVE) and pattern.endswith("{destination}")
    refers_back = any(place.anchor == "it" for place in action.destination)
    return (is_single or is_followable) and not (refers_back and "{it}" in pattern)


def _drop(text: str, words: frozenset[str]) -> str:
    """Leaves `words` out, but "and" only between actions: other ones join the names of things."""
    kept = []
    verbs = {word.split()[0] for word in (*PLACE.known, *PLACE.training)}
    parts = text.split()
    for word, following in zip(parts, [*parts[1:], ""], strict=True):
        if word not in words or (word == "and" and following not in verbs):
            kept.append(word)
    return " ".join(kept)
