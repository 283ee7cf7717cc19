"""The report of a conversion: what came of each image, as field columns of the file, written and read here.

Columns that would say nothing are left out: what an optimiser did where there was none, savings where nothing was
saved, outcomes where every image is as asked.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inrformat.container.fields import Field, FieldType, VariableColumn
from inrformat.container.reader import InrdReader
from inrformat.encoding.record import EncodedRecord, Outcome

__all__ = ["OUTCOME_WORDS", "Report", "ReportColumns"]

STEPS, SPARSITY, OUTCOME = "fit_steps", "zero_weights_percent", "fit_outcome"
SAVED_BYTES, GAIN_DB = "pruning_saved_bytes", "pruning_gain_db"

OUTCOME_WORDS = {Outcome.OK: "as asked", Outcome.TARGET_MISSED: "target missed", Outcome.DIVERGED: "fit diverged"}


class ReportColumns:
    """Collects the report while records are written.

    Attributes:
        psnr_db, outcomes: of every image so far.
    """

    def __init__(self) -> None:
        self.psnr_db = array("d")
        self.outcomes = array("q")
        self._steps, self._zero_weights, self._saved = array("q"), array("q"), array("q")
        self._gains = array("d")

    @staticmethod
    def row_of(record: EncodedRecord) -> list[Any]:
        """What the report says of a record, in plain types."""
        return [
            record.psnr_db,
            int(record.outcome),
            record.steps,
            round(100 * record.sparsity),
            record.pruning_saved_bytes,
            round(record.pruning_gain_db, 2),
        ]

    def add(self, row: Sequence[Any]) -> None:
        """Take along the next record, as `row_of` gives it."""
        columns: tuple[array[Any], ...] = (
            self.psnr_db,
            self.outcomes,
            self._steps,
            self._zero_weights,
            self._saved,
            self._gains,
        )
        for column, value in zip(columns, row, strict=True):
            column.append(value)

    def fields(self) -> list[Field]:
        """The columns."""
        columns = []
        if any(self._steps):
            columns.append(Field(STEPS, FieldType.INT64, self._steps))
            columns.append(Field(SPARSITY, FieldType.INT64, self._zero_weights))
            if any(self._saved):
                columns.append(Field(SAVED_BYTES, FieldType.INT64, self._saved))
        if any(self._gains):
            columns.append(Field(GAIN_DB, FieldType.FLOAT64, self._gains))
        if any(self.outcomes):
            columns.append(Field(OUTCOME, FieldType.INT64, self.outcomes))
        return columns


@dataclass(frozen=True, slots=True)
class Report:
    """The report that a file holds; columns are None where it does not have them.

    Attributes:
        steps: of the optimiser. zero_weights_percent: share of the network's symbols that are zero.
        saved_bytes: by pruning. gain_db: change of PSNR by pruning. outcomes: in words.
    """

    steps: Sequence[int] | None
    zero_weights_percent: Sequence[int] | None
    saved_bytes: Sequence[int] | None
    gain_db: Sequence[float] | None
    outcomes: Sequence[str] | None

    @classmethod
    def of(cls, reader: InrdReader) -> Report:
        """Read it."""
        steps = _numbers(reader, STEPS)
        return cls(
            steps,
            _numbers(reader, SPARSITY),
            _numbers(reader, SAVED_BYTES),
            _numbers(reader, GAIN_DB),
            _outcomes(reader, fitted=steps is not None),
        )

    def columns(self) -> dict[str, Sequence[Any] | None]:
        """All columns by their names in the file."""
        return {
            STEPS: self.steps,
            SPARSITY: self.zero_weights_percent,
            SAVED_BYTES: self.saved_bytes,
            GAIN_DB: self.gain_db,
            OUTCOME: self.outcomes,
        }


def _outcomes(reader: InrdReader, *, fitted: bool) -> list[str] | None:
    stored = _numbers(reader, OUTCOME)
    if stored is None:
        return [OUTCOME_WORDS[Outcome.OK]] * len(reader) if fitted else None
    words: dict[int, str] = {int(outcome): text for outcome, text in OUTCOME_WORDS.items()}
    return [words.get(number, f"outcome {number}") for number in stored]


def _numbers(reader: InrdReader, name: str) -> list[Any] | None:
    column = reader.field(name)
    return None if column is None or isinstance(column, VariableColumn) else column.tolist()
