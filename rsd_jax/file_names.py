"""Names of files made from names of data: suites, tasks and the like, which may be any text.

Whatever writes a file or a folder that is called like something in the data gets its name here. The name has neither a
separator nor a leading dot, so that it stays in the folder it is put into, and two names of data never get the same
one, not on a file system either that does not tell ``A`` from ``a``. LIBERO's own names stay as they are.
"""

import hashlib
import re

LONGEST = 128
"""Characters of a file's name: endings such as ``_demo.hdf5.partial`` fit behind it into the 255 bytes of a name."""

_PLAIN = re.compile(r"(?:[A-Z][A-Z_]*SCENE[0-9]+_)?[a-z0-9_](?:[a-z0-9_.+-]*[a-z0-9_+-])?")
"""Lower case behind an optional scene, as in ``KITCHEN_SCENE3_turn_on_the_stove``."""

_LIKE_OTHERS = re.compile(r"[a-z_]*scene[0-9]+_.*|.*-[0-9a-f]{16}|(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")
"""What would be a scene's name but for its case, is spelled as the names made here, or is a device of Windows."""


def file_name(name: str) -> str:
    """The name of a file or a folder for something that is called `name`, without an ending.

    A plain name is taken as it is. Of any other the plain characters are kept for the reader, and 16 digits of its
    SHA-256 tell it from the rest: ``the mug/the bowl`` becomes ``the_mug_the_bowl-4a0e...``.

    Args:
        name: any text, also an empty one.
    """
    if len(name) <= LONGEST and _PLAIN.fullmatch(name) and not _LIKE_OTHERS.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    kept = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[: LONGEST - 17] or "unnamed"
    return f"{kept}-{digest}"
