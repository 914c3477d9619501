"""Rewordings say the same thing: the places and things of a task, in words of the right part of the lexicon."""

import re

import pytest

from eval_bridge.simulators.libero.suite_tasks import SUITE_TASKS
from rsd_jax.backbones.instruction import encode_instruction, words_of
from rsd_jax.backbones.rewording import PARTS, rewordings
from rsd_jax.backbones.rewording.lexicon import JOIN, MOVE, PICK, PLACE, RELATIONS, SEEK, SPOTS, THINGS, VERBS, WHICH
from rsd_jax.backbones.rewording.lexicon import WRAPPERS as WRAPPER_PHRASE
from rsd_jax.backbones.rewording.parsing import Deed, Transfer, parse
from rsd_jax.backbones.rewording.rendering import PATTERNS
from rsd_jax.demos.task_names import instruction_of

SPATIAL = [instruction_of(task) for task in SUITE_TASKS["libero_spatial"]]
RAMEKIN = "(?:small |little |tiny )?ramekin(?: cup| dish)?"
BOX = r"(?:(?:cookies?|biscuit) (?:box|package|carton)|(?:box|carton) of cookies)"
PLATE = "(?:(?:round |dinner |serving |flat )?(?:plate|dish)|platter)"
STOVE = "(?:(?:cooking )?stove|cooktop|stovetop|burner|hob|cooker)"
CABINET = "(?:(?:wooden |wood |timber )?(?:cabinet|cupboard|dresser)(?: made of wood)?)"
TABLE = "(?:table (?:center|middle)|(?:center|central part|middle|midpoint) of (?:the )?table)"
ON = "(?:on|on top of|off|off of|from on top of|upon|atop|from atop)"
IN = "(?:in|inside|out of|from inside|within|in (?:the )?interior of|from within)"
NEXT_TO = "(?:next to|beside|by|near|close to|adjacent to|alongside|at the side of|neighboring|in the vicinity of)"
BETWEEN = "(?:between|in between|in the (?:gap|space) between|from the space between)"
DESTINATION = rf"\b(?:onto|on|on top of|upon|atop|on the surface of) (?:the )?{PLATE}\b"
MEANING = {
    "between the plate": rf"{BETWEEN} (?:the )?(?:{PLATE} and (?:the )?{RAMEKIN}|{RAMEKIN} and (?:the )?{PLATE})",
    "next to the ramekin": rf"{NEXT_TO} (?:the )?{RAMEKIN}",
    "from table center": rf"(?:from|at|off|off of) (?:the )?{TABLE}",
    "on the cookie box": rf"{ON} (?:the )?{BOX}",
    "in the top drawer": rf"{IN} (?:the )?(?:top|uppermost|top most|topmost|highest) drawer of (?:the )?{CABINET}",
    "on the ramekin": rf"{ON} (?:the )?{RAMEKIN}",
    "next to the cookie box": rf"{NEXT_TO} (?:the )?{BOX}",
    "on the stove": rf"{ON} (?:the )?{STOVE}",
    "next to the plate": rf"{NEXT_TO} (?:the )?{PLATE}",
    "on the wooden cabinet": rf"{ON} (?:the )?{CABINET}",
}
"""Of each task of libero_spatial: where the bowl is, in every spelling that says so."""


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("place", "spellings"), MEANING.items())
def test_the_bowl_stays_where_it_is_and_goes_to_the_plate(place, spellings, part):
    (instruction,) = (text for text in SPATIAL if f"bowl {place}" in text)
    others = [other for known, other in MEANING.items() if known != place]
    for text in rewordings(instruction, 300, 0, part):
        # The place is told once, the destination once, and of the other places nothing is left.
        place_told = re.findall(rf"\b{spellings}\b", text)
        assert len(place_told) == 1, text
        rest = re.sub(rf"\b{spellings}\b", "PLACE", text)
        assert len(re.findall(DESTINATION, rest)) == 1, text
        assert not any(re.search(rf"\b{other}\b", rest) for other in others), text
        assert re.search(r"\b(?:bowl|basin)\b", rest), text


@pytest.mark.parametrize("part", PARTS)
def test_no_two_tasks_of_a_suite_share_a_rewording(part):
    owners = {}
    for instruction in SPATIAL:
        for text in set(rewordings(instruction, 1000, 0, part)):
            assert owners.setdefault(text, instruction) == instruction, text
    assert len(owners) == 10 * 1000


@pytest.mark.parametrize(
    ("instruction", "needed", "forbidden"),
    [
        ("turn on the stove", r"\b(on|activate|start up|enable)\b", r"\b(off|deactivate|disable)\b"),
        ("turn off the stove", r"\b(off|deactivate|disable)\b", r"\b(turn on|activate|enable)\b"),
        (
            "open the middle drawer of the cabinet",
            r"(middle|center|central) drawer (of|in)\b",
            r"top|upper|bottom|shut",
        ),
        ("close the microwave", r"\b(close|shut)\b", r"\bopen"),
        ("push the plate to the front of the stove", "front", r"\b(on|onto|next)\b"),
        ("put the wine bottle on the rack", r"(on|onto|on top of|upon|atop|surface of) (the )?(rack|bottle)", "in"),
        (
            "put the white mug on the plate and put the chocolate pudding to the right of the plate",
            r"pudding.* right (hand )?(side )?of (the )?\w*",
            "left",
        ),
        (
            "stack the left bowl on the right bowl and place them in the tray",
            r"left (round bowl|bowl|basin) on (the )?right (round bowl|bowl|basin)",
            r"\b(next|beside)\b",
        ),
    ],
)
def test_meaning_of_other_suites_stays(instruction, needed, forbidden):
    for part in PARTS:
        for text in rewordings(instruction, 60, 0, part):
            assert re.search(needed, text), text
            assert not re.search(rf"\b(?:{forbidden})\b", text), text


@pytest.mark.parametrize("part", PARTS)
def test_every_instruction_of_libero_can_be_reworded(part):
    for instruction in {instruction_of(task) for tasks in SUITE_TASKS.values() for task in tasks}:
        found = rewordings(instruction, 12, 0, part)
        assert found[0] == instruction
        assert len(set(found)) == len(found) == 12
        for text in found:
            encode_instruction(text)


def test_no_replacement_and_no_sentence_is_in_both_parts():
    relations = [phrase for relation in RELATIONS for phrase in relation[1:]]
    phrases = [*THINGS, *VERBS, *SPOTS, *relations, PICK, PLACE, MOVE, SEEK, WHICH, JOIN, WRAPPER_PHRASE]
    training = {text for phrase in phrases for text in (*phrase.training, *phrase.known)}
    heldout = {text for phrase in phrases for text in phrase.heldout}
    assert not training & heldout
    assert not set(PATTERNS["training"]) & set(PATTERNS["heldout"])


def test_no_heldout_phrase_occurs_in_any_training_rewording():
    relations = [phrase for relation in RELATIONS for phrase in relation[1:]]
    phrases = [*THINGS, *VERBS, *SPOTS, *relations, PICK, PLACE, MOVE, SEEK, WHICH, JOIN]
    heldout = {text for phrase in phrases for text in phrase.heldout}
    heldout |= {text.replace("{}", "").strip() for text in WRAPPER_PHRASE.heldout}
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(heldout)))})\b")
    for instruction in SPATIAL:
        assert not any(pattern.search(text) for text in rewordings(instruction, 500, 1))


def test_the_same_arguments_give_the_same_and_another_seed_others():
    first = rewordings(SPATIAL[0], 20, 3)
    assert rewordings(SPATIAL[0], 20, 3) == first
    assert len(set(rewordings(SPATIAL[0], 20, 4)) & set(first)) < 5


def test_unknown_words_stay_and_few_rewordings_are_repeated():
    found = rewordings("Wave the flag!", 200, 0)
    assert len(found) == 200
    assert found[0] == "Wave the flag!"
    assert all({"wave", "flag"} <= set(words_of(text)) for text in found)
    distinct = len(set(found))
    assert 10 < distinct < 200
    assert (found[1:distinct] * 200)[:199] == found[1:]


def test_a_long_instruction_is_not_made_too_long():
    instruction = "pick up the bowl " + "very " * 27
    for text in rewordings(instruction, 20, 0):
        encode_instruction(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("open the drawer", 0, 0), "count must be at least 1, got 0"),
        (("", 1, 0), "it must have 1 to 32"),
        (("open the drawer", 1, 0, "test"), "part must be one of training, heldout, got 'test'"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        rewordings(*arguments)


def test_parses_what_is_brought_where():
    (action,) = parse("pick up the black bowl between the plate and the ramekin and place it on the plate")
    assert isinstance(action, Transfer)
    assert action.thing == "the black bowl"
    assert [place.text for place in action.where] == ["between the plate and the ramekin"]
    assert [place.text for place in action.destination] == ["on the plate"]
    first, second = parse("put the butter at the back in the top drawer of the cabinet and close it")
    assert isinstance(first, Transfer)
    assert [place.text for place in first.where] == ["at the back"]
    assert [place.text for place in first.destination] == ["in the top drawer of the cabinet"]
    assert second == Deed("close", "it")
