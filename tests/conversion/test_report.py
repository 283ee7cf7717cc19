"""The report of a conversion: columns of the file that ``info`` reads back."""

from inrformat.container.metadata import Metadata
from inrformat.container.reader import InrdReader
from inrformat.container.writer import InrdWriter
from inrformat.conversion.report import Report, ReportColumns
from inrformat.encoding.record import EncodedRecord, Outcome


def reported(path, records):
    """What a file of these records says of them."""
    columns = ReportColumns()
    with InrdWriter(path) as writer:
        for record in records:
            writer.add(record.data, height=8, width=8, network=0, psnr_db=record.psnr_db)
            columns.add(ReportColumns.row_of(record))
        for field in columns.fields():
            writer.add_field(field.name, field.type, field.values)
        writer.finish(codebook={"tables": [], "networks": []}, metadata=Metadata())
    with InrdReader(path) as reader:
        return reader.field_names, Report.of(reader)


def record(**values):
    return EncodedRecord(b"12345678", 8, 8, 0, 30.0, **values)


def test_what_was_fitted_comes_back_with_outcomes_in_words(tmp_path):
    records = [
        record(steps=300, sparsity=0.126, pruning_saved_bytes=12),
        record(steps=200, pruning_gain_db=-0.125, outcome=Outcome.TARGET_MISSED),
        record(steps=1, outcome=Outcome.DIVERGED),
    ]
    _, report = reported(tmp_path / "x", records)
    assert (report.steps, report.zero_weights_percent, report.saved_bytes) == ([300, 200, 1], [13, 0, 0], [12, 0, 0])
    assert report.gain_db == [0, -0.12, 0]
    assert report.outcomes == ["as asked", "target missed", "fit diverged"]


def test_columns_that_would_say_nothing_are_left_out(tmp_path):
    names, report = reported(tmp_path / "closed form", [record(), record()])
    assert names == () and set(report.columns().values()) == {None}
    names, report = reported(tmp_path / "fitted", [record(steps=5), record(steps=6)])
    assert names == ("fit_steps", "zero_weights_percent") and report.outcomes == ["as asked"] * 2
