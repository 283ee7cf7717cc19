"""The files beside an output: who may write it, what an interrupted run leaves, and what becomes of that."""

import os
import subprocess
import sys

import pytest

from inrformat.conversion.workspace import Workspace
from inrformat.errors import OutputBusyError, OutputExistsError, SourceError


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def interrupted(output, *, partial=b"half", journal=b"frames"):
    """A run that ended with an error after some of its work was worth keeping."""
    with pytest.raises(KeyboardInterrupt), Workspace(output, resume=False) as workspace:
        workspace.partial.write_bytes(partial)
        workspace.journal.write(journal)
        workspace.keep = True
        raise KeyboardInterrupt


def test_nothing_stays_after_success_or_an_early_error(tmp_path):
    with Workspace(tmp_path / "x", resume=False) as workspace:
        workspace.partial.write_bytes(b"1")
        workspace.partial.rename(tmp_path / "x")
    assert left(tmp_path) == ["x"]
    with pytest.raises(ValueError, match="early"), Workspace(tmp_path / "y", resume=False) as workspace:
        workspace.partial.write_bytes(b"1")
        raise ValueError("early")
    assert left(tmp_path) == ["x"]


def test_work_worth_keeping_stays_and_is_found_by_resume(tmp_path):
    interrupted(tmp_path / "x")
    assert left(tmp_path) == [".x.journal", ".x.partial"]
    with Workspace(tmp_path / "x", resume=True) as workspace:
        assert workspace.journal.read() == b"frames" and workspace.partial.read_bytes() == b"half"
        assert not workspace.removed


def test_without_resume_stale_files_are_removed_and_that_is_known(tmp_path):
    interrupted(tmp_path / "x")
    with Workspace(tmp_path / "x", resume=False) as workspace:
        assert workspace.removed and workspace.journal.read() == b"" and not workspace.partial.exists()
    with Workspace(tmp_path / "x", resume=False) as workspace:
        assert not workspace.removed


def test_two_at_once_are_told_apart_even_across_processes(tmp_path):
    output = tmp_path / "x"
    with Workspace(output, resume=False), pytest.raises(OutputBusyError, match="another process"):
        Workspace(output, resume=True).__enter__()
    holding = (
        "import sys, time; from pathlib import Path; from inrformat.conversion.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1]), resume=False): print('in', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", holding, str(output)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "in\n"
        with pytest.raises(OutputBusyError):
            Workspace(output, resume=True).__enter__()
        other.kill()
    with Workspace(output, resume=True):  # the lock of a killed process is gone with it
        pass


def test_an_existing_output_is_left_alone_and_counts_as_complete_for_resume(tmp_path):
    (tmp_path / "x").write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        Workspace(tmp_path / "x", resume=False).__enter__()
    (tmp_path / ".x.journal").write_bytes(b"of a run killed after it published")
    (tmp_path / ".x.partial").hardlink_to(tmp_path / "x")
    with Workspace(tmp_path / "x", resume=True) as workspace:
        assert workspace.complete
    assert left(tmp_path) == ["x"] and (tmp_path / "x").read_bytes() == b"mine"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"nowhere: no such folder.*create it"):
        Workspace(tmp_path / "nowhere" / "x", resume=False).__enter__()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_an_error_of_the_system(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        Workspace(tmp_path / "x", resume=False).__enter__()
