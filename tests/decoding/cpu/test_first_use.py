"""Loading and compiling: by one process of several, said aloud, never for ever."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numba
import pytest
import torch

import inrformat
from inrformat import CellsOptions, InrdDataset, convert
from inrformat.decoding.cpu import first_use
from inrformat.decoding.cpu.first_use import load_or_compile

DECODE = """
import sys, torch
from numba.core import event
from inrformat import InrdDataset

class Count(event.Listener):
    begun = 0
    def on_start(self, _event):
        Count.begun += 1
    def on_end(self, _event):
        pass

event.register("numba:compile", Count())
torch.set_num_threads(1)
dataset = InrdDataset(sys.argv[1], size=int(sys.argv[2]))
torch.save(torch.stack([dataset[i][0] for i in range(3)]), sys.argv[3])
print(Count.begun)
"""


def uncompiled(pause_s=0.0):
    """A use of a function that is compiled nowhere yet."""
    function = numba.njit(lambda x: x + 1)

    def use():
        time.sleep(pause_s)
        assert function(1) == 2

    return use


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A folder in place of that of numba's cache."""
    monkeypatch.setattr(first_use, "CACHE_FOLDER", tmp_path / "cache")
    return tmp_path / "cache"


def test_what_is_compiled_once_is_loaded_after_that(folder):
    use = uncompiled()
    assert [load_or_compile(use), load_or_compile(use)] == [True, False]


def test_what_takes_long_is_said_in_a_line_with_the_remedy(folder, caplog, monkeypatch):
    with caplog.at_level(logging.WARNING):
        monkeypatch.setattr(first_use, "_SILENT_S", 3600.0)
        load_or_compile(uncompiled())
        assert caplog.text == ""
        monkeypatch.setattr(first_use, "_SILENT_S", 0.01)
        load_or_compile(uncompiled(pause_s=0.5))
    assert len(caplog.records) == 1
    assert "`inrformat warmup`" in caplog.text


def test_an_error_in_compiled_code_is_not_taken_for_something_else(folder):
    def use():
        uncompiled()()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        load_or_compile(use)


def test_where_nothing_can_be_written_there_is_no_lock(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    for folder in (None, tmp_path / "file" / "cache"):
        monkeypatch.setattr(first_use, "CACHE_FOLDER", folder)
        assert load_or_compile(uncompiled())


def test_others_wait_for_the_process_with_the_lock_and_go_on_when_it_is_killed(folder):
    folder.mkdir()
    hold = "import fcntl, sys, time; f = open(sys.argv[1], 'ab'); fcntl.flock(f, 2); print('held', flush=True); input()"
    command = [sys.executable, "-c", hold, str(folder / "inrformat-compiling.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        waiting = threading.Thread(target=load_or_compile, args=(uncompiled(),))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        holder.send_signal(signal.SIGKILL)
        waiting.join(60)
    assert not waiting.is_alive()


def test_a_child_forked_in_the_middle_of_a_compilation_can_compile(folder):
    begun = threading.Event()
    function = numba.njit(lambda x: x + 1)

    def use():
        # The second time, when compiling is allowed, and not yet done.
        if folder.exists():
            begun.set()
            time.sleep(0.3)
        function(1)

    compiling = threading.Thread(target=load_or_compile, args=(use,))
    compiling.start()
    assert begun.wait(60)
    child = multiprocessing.get_context("fork").Process(target=load_or_compile, args=(uncompiled(),))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    compiling.join()


@pytest.mark.slow
def test_of_processes_that_start_together_one_compiles_and_later_ones_find_all_of_it(photo_folder, tmp_path):
    path = tmp_path / "cells.inrd"
    convert(photo_folder, path, CellsOptions(quality=60), device="cpu")
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": str(Path(inrformat.__file__).parents[1]),
    }

    def started(size, out):
        command = [sys.executable, "-c", DECODE, str(path), str(size), str(tmp_path / out)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finished(process):
        out, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
        return int(out), errors

    together = [started(32, "first"), started(32, "second")]
    (fewer, _), (more, said) = sorted(map(finished, together))
    # The one that waits begins to compile what it does not find, and is stopped.
    assert fewer <= 1
    assert more > 20
    assert said.count("inrformat warmup") == 1
    for size, out in ((32, "third"), (50, "larger")):
        assert finished(started(size, out)) == (0, "")
    dataset = InrdDataset(path)
    expected = torch.stack([dataset[i][0] for i in range(3)])
    for out in ("first", "second", "third"):
        assert torch.equal(torch.load(tmp_path / out), expected)
