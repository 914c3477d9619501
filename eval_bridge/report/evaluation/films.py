"""Videos as the report shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from eval_bridge.episodes.video import contact_sheet, poster
from eval_bridge.evaluation.records import EpisodeRecord
from eval_bridge.report.page import data_url

EMBEDDED_VIDEO_LIMIT = 30 * 2**20
"""Bytes of video up to which they are embedded; beyond, the report refers to the folder beside it."""


@dataclass(frozen=True)
class Film:
    """A video as the page shows it: where it is, its poster, and its episode."""

    source: str
    poster: str
    record: EpisodeRecord


class Hero(NamedTuple):
    """An episode as a strip of pictures."""

    record: EpisodeRecord
    pictures: list[str]


def make_films(records: Sequence[EpisodeRecord], folder: Path) -> list[Film]:
    """The videos that are there, embedded all together or not at all.

    Raises:
        ValueError: a video is damaged.
    """
    found = [(record, path) for record, path in _paths(records, folder) if path.is_file()]
    embed = sum(path.stat().st_size for _, path in found) <= EMBEDDED_VIDEO_LIMIT
    return [
        Film(
            source=data_url(path.read_bytes(), "video/mp4") if embed else str(record.video),
            poster=data_url(poster(path), "image/jpeg"),
            record=record,
        )
        for record, path in found
    ]


def make_hero(records: Sequence[EpisodeRecord], folder: Path) -> Hero | None:
    """The first filmed success, or else the first film; None without films.

    Raises:
        ValueError: its video is damaged.
    """
    filmed = [(record, path) for record, path in _paths(records, folder) if path.is_file()]
    if not filmed:
        return None
    record, path = next((film for film in filmed if film[0].rollout.success), filmed[0])
    return Hero(record, [data_url(picture, "image/jpeg") for picture in contact_sheet(path)])


def _paths(records: Sequence[EpisodeRecord], folder: Path) -> list[tuple[EpisodeRecord, Path]]:
    return [(record, folder / record.video) for record in records if record.video]
