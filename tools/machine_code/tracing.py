"""How often each statement of a kernel is executed, found by running it in Triton's interpreter on real data."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from machine_code.lines import Chain, is_ours, statement_at

__all__ = ["Trace", "traced"]


@dataclass(slots=True)
class Trace:
    """What kernels have executed, all programs together.

    Attributes:
        programs: of each kernel, by its function's name. statements: executions of each, by kernel.
    """

    programs: Counter[str] = field(default_factory=Counter)
    statements: dict[str, Counter[Chain]] = field(default_factory=dict)


@contextmanager
def traced() -> Iterator[Trace]:
    """Trace kernels that are interpreted meanwhile, in this thread: functions of ours whose names end in _kernel."""
    tracer = _Tracer()
    sys.settrace(tracer.call)
    try:
        yield tracer.trace
    finally:
        sys.settrace(None)


class _Tracer:
    """Follows calls; ``_chain``: where the kernel is, down to the statement that is being executed."""

    def __init__(self) -> None:
        self.trace = Trace()
        self._kernel = ""
        self._chain: list[Any] = []

    def call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        """A function is entered: of ours, its statements are of interest."""
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        if not is_ours(file):
            return None
        if name.endswith("_kernel"):
            self._kernel, self._chain = name, []
            self.trace.programs[name] += 1
            self.trace.statements.setdefault(name, Counter())
        elif not self._kernel:
            return None
        depth = len(self._chain)
        self._chain.append(None)

        def local(frame: FrameType, event: str, _argument: Any) -> Any:
            if event == "line":
                at = statement_at(file, frame.f_lineno)
                if at != self._chain[depth]:
                    self._chain[depth] = at
                    self.trace.statements[self._kernel][tuple(self._chain[: depth + 1])] += 1
            elif event == "return":
                del self._chain[depth:]
                self._kernel = self._kernel if depth else ""
            return local

        return local
