"""Which commands there are, and what each is for."""

import ast
from pathlib import Path


def commands() -> dict[str, str]:
    """The first line of every command's docstring, by its name; nothing is imported, which would take seconds."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        conditions = [ast.unparse(statement.test) for statement in module.body if isinstance(statement, ast.If)]
        if "__name__ == '__main__'" in conditions:
            found[path.stem] = (ast.get_docstring(module) or "").partition("\n")[0]
    return found
