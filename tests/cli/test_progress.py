"""In a log, progress is a line every ten seconds that names the phase; on request there is none."""

import pytest

from inrformat.cli.progress import ProgressDisplay
from inrformat.conversion.progress import Phase, Progress, Reporter


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_every_ten_seconds_with_what_is_left(clock, capsys):
    with ProgressDisplay(quiet=False) as display:
        for second in range(0, 41):
            clock[0] = 100.0 + second
            phase, done = (Phase.LEARN, 0) if second < 15 else (Phase.ENCODE, 10 * (second - 15))
            display.show(Progress(phase, done, 1000 if phase is Phase.ENCODE else 64))
    assert capsys.readouterr().err.splitlines() == [
        "learning what the images share, 0:10: 0 of 64 images",
        "encoding, 0:05: 50 of 1000 images, 10.0 images/s, about 1:35 left",
        "encoding, 0:15: 150 of 1000 images, 10.0 images/s, about 1:25 left",
        "encoding, 0:25: 250 of 1000 images, 10.0 images/s, about 1:15 left",
    ]


def test_quiet_is_quiet(clock, capsys):
    with ProgressDisplay(quiet=True) as display:
        for second in (0, 20, 40):
            clock[0] = 100.0 + second
            display.show(Progress(Phase.ENCODE, second, 40))
    assert capsys.readouterr().err == ""


def test_a_reporter_never_says_more_than_all_and_starts_each_phase_anew():
    said: list[Progress] = []
    reporter = Reporter(said.append)
    reporter.begin(Phase.LEARN, total=4)
    reporter.advance(3)
    reporter.advance(3)
    reporter.begin(Phase.ENCODE, total=10, done=5)
    reporter.reach(7)
    assert [(p.phase, p.done, p.total) for p in said] == [
        (Phase.LEARN, 0, 4),
        (Phase.LEARN, 3, 4),
        (Phase.LEARN, 4, 4),
        (Phase.ENCODE, 5, 10),
        (Phase.ENCODE, 7, 10),
    ]
