"""Lists the commands of the project.

    python -m launch

Each is ``python -m launch.COMMAND``, and ``--help`` says more about it.
"""

import ast
import sys
from collections.abc import Sequence
from pathlib import Path


def commands() -> dict[str, str]:
    """The first line of every command's docstring, by its name; nothing is imported, which would take seconds."""
    found = {}
    folder = Path(__file__).parent
    for path in sorted([*folder.glob("[a-z]*.py"), *folder.glob("[a-z]*/__main__.py")]):
        module = ast.parse(path.read_text(encoding="utf-8"))
        conditions = [ast.unparse(statement.test) for statement in module.body if isinstance(statement, ast.If)]
        if "__name__ == '__main__'" in conditions:
            name = path.parent.name if path.stem == "__main__" else path.stem
            found[name] = (ast.get_docstring(module) or "").partition("\n")[0]
    return found


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    others = [argument for argument in arguments if argument not in ("--help", "-h")]
    if others:
        sys.exit(f"error: {' '.join(others)}: write python -m launch.COMMAND; python -m launch lists the commands")
    print("python -m launch.COMMAND, of which --help says more:\n")
    lines = commands()
    width = max(map(len, lines))
    for name, line in lines.items():
        print(f"  {name:<{width}}  {line}")


if __name__ == "__main__":
    main(sys.argv[1:])
