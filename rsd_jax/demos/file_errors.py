"""The one error of every reader: which file is damaged, in which episode, in which field, and how."""

from collections.abc import Mapping
from pathlib import Path

from rsd_jax.demos.demo import DemoFieldError

ALL_EPISODES = "all episodes"
"""The `episode` of an error that concerns the whole file."""


class DemoFileError(ValueError):
    """A demonstration file is damaged; the message names the file, the episode, the field and the rule it breaks.

    Attributes:
        path: the file. episode: name of the episode in it, or `ALL_EPISODES`. field: name of the field in the file.
        rule: what is wrong with it, and what is expected or can be done.
    """

    def __init__(self, path: Path, episode: str, field: str, rule: str) -> None:
        super().__init__(f"{path}: {episode}: {field}: {rule}")
        self.path, self.episode, self.field, self.rule = path, episode, field, rule

    def __reduce__(self) -> tuple[type["DemoFileError"], tuple[Path, str, str, str]]:
        """Lets a process that reads files tell another about it."""
        return type(self), (self.path, self.episode, self.field, self.rule)

    @classmethod
    def of_field(
        cls, path: Path, episode: str, error: DemoFieldError, stored_names: Mapping[str, str]
    ) -> "DemoFileError":
        """The error of a field of `Demo`, under the name that the field has in the file."""
        return cls(path, episode, stored_names.get(error.field, error.field), error.rule)
