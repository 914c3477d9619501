"""Phrases of household instructions, and what may stand for each without a change of meaning."""

from typing import Literal, NamedTuple

Part = Literal["training", "heldout"]
"""Which replacements are used: those that a policy trains on, or those that it is judged by."""

PARTS: tuple[Part, ...] = ("training", "heldout")


class Phrase(NamedTuple):
    """Spellings of one thing.

    Attributes:
        known: what instructions call it.
        training: replacements to train on.
        heldout: replacements that no training rewording contains.
    """

    known: tuple[str, ...]
    training: tuple[str, ...]
    heldout: tuple[str, ...]

    def replacements(self, part: Part) -> tuple[str, ...]:
        """The replacements of `part`."""
        return self.training if part == "training" else self.heldout


class Relation(NamedTuple):
    """A preposition with an anchor behind it, by what it tells.

    Attributes:
        known: how instructions spell it.
        place: where an object is ("the bowl `beside` the plate").
        origin: whence it is taken ("take the bowl `off` the stove").
        destination: where it is put.
    """

    known: tuple[str, ...]
    place: Phrase
    origin: Phrase
    destination: Phrase


def _relation(
    known: tuple[str, ...],
    place: tuple[tuple[str, ...], tuple[str, ...]],
    origin: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
    destination: tuple[tuple[str, ...], tuple[str, ...]] | None = None,
) -> Relation:
    return Relation(known, Phrase(known, *place), Phrase(known, *origin), Phrase(known, *(destination or place)))


ORIGIN_ONLY = "from"
"""Tells whence, not where: "the bowl that is from the table" does not say what "the bowl from the table" says."""

RELATIONS = (
    _relation(
        ("on top of", "on"),
        place=(("on top of",), ("upon", "atop")),
        origin=(("off", "from on top of"), ("off of", "from atop")),
        destination=(("on top of", "onto"), ("upon", "atop", "on the surface of")),
    ),
    _relation(
        ("in",),
        place=(("inside",), ("within", "in the interior of")),
        origin=(("out of", "from inside"), ("from within",)),
        destination=(("into", "inside"), ("within", "to the inside of")),
    ),
    _relation(
        ("next to",),
        place=(
            ("beside", "by", "near", "close to", "adjacent to"),
            ("alongside", "at the side of", "neighboring", "in the vicinity of"),
        ),
        origin=(("from next to",), ("from alongside",)),
    ),
    _relation(
        ("between",),
        place=(("in between", "right between"), ("in the gap between", "in the space between")),
        origin=(("from between",), ("from the space between",)),
    ),
    _relation((ORIGIN_ONLY,), place=(("at",), ("over at",)), origin=(("off",), ("off of",))),
    _relation(
        ("to the right of",),
        place=(("on the right side of", "right of"), ("on the right hand side of",)),
    ),
    _relation(("to the left of",), place=(("on the left side of", "left of"), ("on the left hand side of",))),
    _relation(("to the front of",), place=(("in front of",), ("to the front side of",))),
    _relation(("under",), place=(("below", "beneath"), ("underneath",))),
)

SPOTS = (
    Phrase(("at the back",), ("in the back", "at the rear"), ("in the rear", "towards the rear")),
    Phrase(("at the front",), ("in the front",), ("towards the front",)),
    Phrase(("in the middle",), ("in the center",), ("at the center spot",)),
    Phrase(("on the left",), ("on the left side",), ("on the left hand side",)),
    Phrase(("on the right",), ("on the right side",), ("on the right hand side",)),
)
"""Places without an anchor."""

PICK = Phrase(
    ("pick up",),
    ("grab", "take", "lift", "lift up", "get", "fetch", "collect", "pick"),
    ("retrieve", "grasp", "take hold of", "obtain", "seize"),
)
PLACE = Phrase(("place", "put"), ("put", "place", "set", "drop"), ("position", "deposit", "lay", "rest"))
MOVE = Phrase((), ("move", "bring", "carry", "transfer"), ("relocate", "transport", "shift", "deliver"))
SEEK = Phrase((), ("find", "look for"), ("locate", "identify"))

VERBS = (
    Phrase(("turn on",), ("switch on", "activate", "power on"), ("start up", "enable")),
    Phrase(("turn off",), ("switch off", "deactivate", "power off"), ("shut off", "disable")),
    Phrase(("open",), ("pull open", "open up"), ("draw open",)),
    Phrase(("close",), ("shut",), ("fully close",)),
    Phrase(("push",), ("slide", "shove"), ("nudge",)),
    Phrase(("stack",), ("pile", "pile up"), ("heap",)),
)
"""Verbs whose sentence is not rebuilt."""

WHICH = Phrase((), ("that is", "which is", "located", "sitting"), ("found", "that sits", "situated", "lying"))
"""What joins a thing and its place."""

JOIN = Phrase(("and",), ("then", "and then"), ("and afterwards", "and subsequently", "after that"))
"""What joins two actions."""

WRAPPERS = Phrase(
    ("{}",),
    (
        "please {}",
        "{} please",
        "can you {}",
        "your task is to {}",
        "the task is to {}",
        "the robot should {}",
        "i need you to {}",
        "i want you to {}",
        "you have to {}",
        "go ahead and {}",
        "now {}",
        "try to {}",
        "robot {}",
    ),
    (
        "could you {}",
        "would you kindly {}",
        "your job is to {}",
        "the goal is to {}",
        "i would like you to {}",
        "make sure to {}",
        "the arm must {}",
        "you are asked to {}",
        "{} thanks",
        "hey {}",
    ),
)

DROPPED_WORDS: dict[Part, tuple[frozenset[str], ...]] = {
    "training": (frozenset({"the"}), frozenset({"the", "and"})),
    "heldout": (),
}
"""Words of a telegram's style that are left out together. "and" stays where it joins things."""

THINGS = (
    Phrase(
        ("black bowl",),
        ("bowl", "dark bowl", "black colored bowl", "round black bowl"),
        ("dark colored bowl", "blackish bowl", "bowl of black color"),
    ),
    Phrase(("white bowl",), ("white colored bowl",), ("bowl of white color",)),
    Phrase(("bowl",), ("round bowl",), ("basin",)),
    Phrase(("plate",), ("dish", "round plate", "dinner plate"), ("platter", "serving plate", "flat plate")),
    Phrase(("ramekin",), ("small ramekin", "ramekin cup", "little ramekin"), ("ramekin dish", "tiny ramekin")),
    Phrase(
        ("cookie box",),
        ("box of cookies", "cookies box", "cookie package"),
        ("biscuit box", "carton of cookies", "cookie carton"),
    ),
    Phrase(("stove",), ("cooktop", "stovetop", "cooking stove"), ("burner", "hob", "cooker")),
    Phrase(
        ("table center",),
        ("the table center", "the center of the table", "the central part of the table"),
        ("the middle of the table", "the table middle", "the midpoint of the table"),
    ),
    Phrase(
        ("wooden cabinet",),
        ("cabinet", "wood cabinet", "wooden cupboard", "cabinet made of wood"),
        ("timber cabinet", "wood cupboard", "wooden dresser"),
    ),
    Phrase(("cabinet",), ("cupboard", "storage cabinet"), ("dresser", "cabinet unit")),
    Phrase(("top drawer",), ("uppermost drawer", "top most drawer"), ("topmost drawer", "highest drawer")),
    Phrase(("middle drawer",), ("center drawer",), ("central drawer",)),
    Phrase(("bottom drawer",), ("lowest drawer",), ("bottommost drawer",)),
    Phrase(("basket",), ("bin",), ("hamper",)),
    Phrase(("tray",), ("serving tray",), ("food tray",)),
    Phrase(("alphabet soup",), ("alphabet soup can",), ("can of alphabet soup",)),
    Phrase(("tomato sauce",), ("tomato sauce can",), ("can of tomato sauce",)),
    Phrase(("cream cheese box",), ("cream cheese package", "cream cheese"), ("pack of cream cheese",)),
    Phrase(("cream cheese",), ("cream cheese box", "cream cheese package"), ("pack of cream cheese",)),
    Phrase(("salad dressing",), ("salad dressing bottle",), ("bottle of salad dressing",)),
    Phrase(("bbq sauce",), ("barbecue sauce", "bbq sauce bottle"), ("bottle of bbq sauce",)),
    Phrase(("ketchup",), ("ketchup bottle",), ("bottle of ketchup",)),
    Phrase(("butter",), ("stick of butter", "butter stick"), ("butter pack", "block of butter")),
    Phrase(("milk",), ("milk carton",), ("carton of milk",)),
    Phrase(("chocolate pudding",), ("chocolate pudding box",), ("pack of chocolate pudding",)),
    Phrase(("orange juice",), ("orange juice carton",), ("carton of orange juice",)),
    Phrase(("wine bottle",), ("bottle of wine",), ("wine flask",)),
    Phrase(("wine rack", "rack"), ("bottle rack",), ("bottle holder",)),
    Phrase(("frying pan",), ("skillet", "pan"), ("fry pan",)),
    Phrase(("moka pots",), ("coffee pots",), ("espresso pots",)),
    Phrase(("moka pot",), ("coffee pot",), ("espresso pot",)),
    Phrase(("mug",), ("cup",), ("drinking vessel",)),
    Phrase(("book",), ("textbook",), ("volume",)),
    Phrase(("caddy",), ("desk caddy", "organizer"), ("desk organizer box",)),
    Phrase(("compartment",), ("section",), ("slot",)),
    Phrase(("microwave",), ("microwave oven",), ("microwave appliance",)),
    Phrase(("shelf",), ("shelf board",), ("ledge",)),
)
"""Things, the more precise before those that they contain. Adjectives that tell two things apart are in none."""
