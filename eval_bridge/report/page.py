"""How every page is made: one template environment, one style sheet, nothing fetched from elsewhere."""

import base64
from collections.abc import Mapping
from typing import Any

import jinja2


def render_template(template: str, values: Mapping[str, Any]) -> str:
    """Renders a page; whatever it shows is escaped, and a name that `values` lacks is an error.

    Args:
        template: its name; it extends ``page.html``, which brings the style sheet.
        values: what the template shows.

    Raises:
        jinja2.TemplateError: the template is wrong, or asks for a value that is not there.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("eval_bridge.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def data_url(content: bytes, kind: str) -> str:
    """An address that holds its content, for example an image of kind ``image/jpeg``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def flatten(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Name and value of everything in a nested configuration, names joined by points."""
    rows: list[tuple[str, str]] = []
    for name, value in config.items():
        if isinstance(value, Mapping):
            rows += flatten(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", str(value)))
    return rows
