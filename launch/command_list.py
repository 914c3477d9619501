"""Which commands there are, and what each is for."""

import ast
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
