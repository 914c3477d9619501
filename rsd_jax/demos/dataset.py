"""A source of demonstrations, whatever its format."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from rsd_jax.demos.demo import Demo
from rsd_jax.demos.source_conventions import SourceConventions


class DemoDataset(ABC):
    """Demonstrations that are read one at a time, by index. Instances are small and can be sent to other processes.

    Attributes:
        conventions: what the source's images and actions mean; `Demo` knows one convention only.
    """

    conventions: SourceConventions

    @abstractmethod
    def __len__(self) -> int:
        """Number of episodes."""

    @abstractmethod
    def __getitem__(self, index: int) -> Demo:
        """Reads an episode.

        Raises:
            DemoFileError: a file is damaged; names it, the episode and the field.
            IndexError: there is no such episode.
        """

    def __iter__(self) -> Iterator[Demo]:
        """Reads all episodes, one after the other."""
        return (self[index] for index in range(len(self)))
