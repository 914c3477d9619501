"""The section about one policy for several suites: a line for each suite and decoder, a column for each seed."""

from collections.abc import Callable, Sequence

from eval_bridge.evidence.anchors import OPENVLA_OFT
from eval_bridge.evidence.row_in_words import fine_grained_of, success_of
from eval_bridge.evidence.suite_rows import EvaluationRow
from eval_bridge.evidence.suite_section import Column, Line, acceptance_of, difference_of, run_lines
from eval_bridge.evidence.together import Together, take_together
from eval_bridge.report.markdown import markdown_table

SUITES_NOTE = (
    "Success with Wilson intervals; differences in points with bootstrap intervals over the episodes of the suite (b: "
    "solved by the first decoder alone, c: by the other alone, p: exact McNemar test); all intervals 95 %. The "
    "average is the mean of the suites. A cascade's threshold was fitted to each suite's own development episodes."
)


def suites_table(columns: Sequence[Column]) -> str:
    """The table of runs whose policy learned several suites together.

    Args:
        columns: each training run with its evaluations; all of the same suites by the same decoders.
    """
    rows = columns[0][1]
    together = take_together(rows)
    published = [OPENVLA_OFT.success_on(suite) for suite in dict.fromkeys(row.suite for row in rows)]
    lines: list[Line] = [
        *((f"{row.suite}, `{row.decoder}`", _of_row(index, success_of)) for index, row in enumerate(rows)),
        *((f"average, `{each.decoder}`", _of_together(index, _average)) for index, each in enumerate(together)),
        ("OpenVLA-OFT as published, a policy for each, human demonstrations", lambda _: ", ".join(published)),
        *(
            (f"fine-grained tasks, `{each.decoder}`", _of_together(index, fine_grained_of))
            for index, each in enumerate(together)
            if each.fine_grained is not None
        ),
        *(
            (f"{row.suite}: `{row.paired.against}` minus `{row.decoder}`, same starts", _of_row(index, difference_of))
            for index, row in enumerate(rows)
            if row.paired is not None and row.paired.against == _headline_of(rows, row.suite) != row.decoder
        ),
        *(
            (f"{row.suite}: token acceptance, rounds a chunk", _of_row(index, acceptance_of))
            for index, row in enumerate(rows)
            if row.decoder == _headline_of(rows, row.suite)
        ),
        *run_lines(columns),
    ]
    header = ["", *(f"seed {run.seed}" for run, _ in columns)]
    return markdown_table(header, [[name, *map(write, columns)] for name, write in lines])


def _headline_of(rows: Sequence[EvaluationRow], suite: str) -> str:
    return str(next(row.decoder for row in rows if row.suite == suite))


def _of_row(index: int, write: Callable[..., str]) -> Callable[[Column], str]:
    return lambda column: write(column[1][index])


def _of_together(index: int, write: Callable[[Together], str]) -> Callable[[Column], str]:
    return lambda column: write(take_together(column[1])[index])


def _average(each: Together) -> str:
    return f"**{each.average:.1%}**; {success_of(each)}"
