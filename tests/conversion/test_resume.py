"""A conversion that is interrupted anywhere goes on, and ends with the bytes of one that was not."""

import resource
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from inrformat import CellsOptions, InrdReader, SirenOptions, convert
from inrformat.conversion import reading
from inrformat.conversion.file_job import FileJob
from inrformat.errors import SourceError


class PowerCutError(BaseException):
    """Ends a conversion without any of its own handlers in between."""


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(reading, "PIECE_IMAGES", 3)


def cut_after(monkeypatch, pieces):
    """Let the next conversion end after so many pieces."""
    left = [pieces]
    take = FileJob._stream

    def stream(self, trained, writer, journal, *others):
        append = journal.append

        def counted(values):
            append(values)
            left[0] -= 1
            if left[0] == 0:
                raise PowerCutError

        journal.append = counted
        take(self, trained, writer, journal, *others)

    monkeypatch.setattr(FileJob, "_stream", stream)


@pytest.mark.parametrize("pieces", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "options",
    [CellsOptions(quality=60), CellsOptions(target_bytes=20_000), SirenOptions(hidden=(2, 8), steps=10)],
    ids=["quality", "size", "other family"],
)
def test_the_bytes_are_those_of_an_uninterrupted_conversion(photo_folder, tmp_path, monkeypatch, options, pieces):
    convert(photo_folder, tmp_path / "whole", options, sample_images=5)
    with monkeypatch.context() as patch:
        cut_after(patch, pieces)
        with pytest.raises(PowerCutError):
            convert(photo_folder, tmp_path / "x", options, sample_images=5)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".x.journal", ".x.partial", "whole"]
    summary = convert(photo_folder, tmp_path / "x", options, sample_images=5, resume=True)
    assert summary.resumed_images == 3 * pieces and summary.samples == 12
    assert (tmp_path / "x").read_bytes() == (tmp_path / "whole").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["whole", "x"]


def test_images_left_out_before_and_after_the_interruption_are_reported_once(photo_folder, tmp_path, monkeypatch):
    folder = tmp_path / "in"
    for path in sorted(photo_folder.rglob("*.png")):
        target = folder / path.relative_to(photo_folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes()[:100] if path.stem in {"tile_1", "tile_4"} else path.read_bytes())
    whole = convert(folder, tmp_path / "whole", on_error="skip")
    with monkeypatch.context() as patch:
        cut_after(patch, 1)
        with pytest.raises(PowerCutError):
            convert(folder, tmp_path / "x", on_error="skip")
    resumed = convert(folder, tmp_path / "x", on_error="skip", resume=True)
    assert resumed.skipped == whole.skipped and len(whole.skipped) == 4
    assert (tmp_path / "x").read_bytes() == (tmp_path / "whole").read_bytes()


def test_another_conversion_is_not_gone_on_with_and_nothing_is_lost(photo_folder, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        cut_after(patch, 2)
        with pytest.raises(PowerCutError):
            convert(photo_folder, tmp_path / "x", CellsOptions(quality=60))
    before = (tmp_path / ".x.journal").read_bytes()
    for changed in ({"size": 16}, {"seed": 1}, {"options": CellsOptions(quality=61)}):
        arguments: dict[str, Any] = {"options": CellsOptions(quality=60), **changed}
        with pytest.raises(SourceError, match="another conversion"):
            convert(photo_folder, tmp_path / "x", resume=True, **arguments)
    assert (tmp_path / ".x.journal").read_bytes() == before
    (tmp_path / ".x.partial").write_bytes(b"short")
    with pytest.raises(SourceError, match="shorter than its journal says"):
        convert(photo_folder, tmp_path / "x", CellsOptions(quality=60), resume=True)
    summary = convert(photo_folder, tmp_path / "x", CellsOptions(quality=60))
    assert any("removed what an interrupted run had left" in remark for remark in summary.remarks)


_LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from inrformat.conversion import reading
reading.PIECE_IMAGES = 3
sys.argv = ["inrformat", *sys.argv[2:]]
from inrformat.cli.main import run_and_leave
run_and_leave()
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs limits of file sizes")
def test_a_disk_that_is_full_is_a_clear_error_and_what_was_done_is_kept(photo_folder, tmp_path):
    command = ["convert", str(photo_folder), str(tmp_path / "x.inrd"), "--quality", "90", "--sample-images", "4"]
    full = subprocess.run(
        [sys.executable, "-c", _LIMITED, "16384", *command], capture_output=True, text=True, check=False
    )
    assert full.returncode == 4 and full.stderr.count("\n") == 1, full.stderr
    assert "too large" in full.stderr.lower() and not (tmp_path / "x.inrd").exists()
    again = subprocess.run(
        [sys.executable, "-c", _LIMITED, "1000000000", *command, "--resume"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    with InrdReader(tmp_path / "x.inrd") as reader:
        assert len(reader) == 12


@pytest.mark.slow
@pytest.mark.parametrize("which", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_process_is_resumed_by_the_same_command(photo_folder, tmp_path, which):
    command = ["convert", str(photo_folder), "--network", "siren", "--hidden", "2x8", "--steps", "3000"]
    command += ["--sample-images", "3"]
    limit = str(1 << 40)
    subprocess.run([sys.executable, "-c", _LIMITED, limit, *command, str(tmp_path / "whole")], check=True)
    process = subprocess.Popen(
        [sys.executable, "-c", _LIMITED, limit, *command, str(tmp_path / "x")],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    journal = tmp_path / ".x.journal"
    while process.poll() is None and not (journal.exists() and b"records" in journal.read_bytes()):
        time.sleep(0.01)
    process.send_signal(which)
    _, errors = process.communicate(timeout=60)
    if which is not signal.SIGKILL and process.returncode:
        assert process.returncode == 130 and "the same command with --resume goes on" in errors
    subprocess.run([sys.executable, "-c", _LIMITED, limit, *command, str(tmp_path / "x"), "--resume"], check=True)
    assert (tmp_path / "x").read_bytes() == (tmp_path / "whole").read_bytes()
    assert np.all([path.name in {"x", "whole"} for path in tmp_path.iterdir()])
