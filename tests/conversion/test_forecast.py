"""A dry run says what the conversion will give, and writes nothing."""

import json

import pytest

from inrformat import CellsOptions, convert
from inrformat.cli.main import main
from inrformat.conversion.forecast import forecast
from inrformat.conversion.planning import plan_conversion


@pytest.mark.slow
def test_size_and_quality_are_foretold_within_a_tenth(shared_data, tmp_path):
    source, options = shared_data / "clothing/train", CellsOptions(quality=70)
    found = forecast(plan_conversion(source, options, size=48))
    done = convert(source, tmp_path / "x.inrd", options, size=48)
    assert found.samples == done.samples and found.encoded < done.samples / 2
    assert found.bytes == pytest.approx(done.bytes, rel=0.1)
    assert found.mean_psnr_db == pytest.approx(done.mean_psnr_db, abs=0.3)


def test_a_set_that_is_looked_at_whole_is_foretold_closely_and_nothing_is_written(photo_folder, tmp_path, capsys):
    done = convert(photo_folder, tmp_path / "whole.inrd")
    assert main(["convert", str(photo_folder), str(tmp_path / "x.inrd"), "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mean_psnr_db"] == pytest.approx(done.mean_psnr_db, abs=0.01)
    assert found["bytes"] == pytest.approx(done.bytes, abs=4096) and found["samples"] == 12
    assert [path.name for path in tmp_path.iterdir()] == ["whole.inrd"]
