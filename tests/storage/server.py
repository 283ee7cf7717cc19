"""A real HTTP server on the loopback device that serves one file, and misbehaves as told."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["FileServer", "serving"]

_STALL_S = 1.5


@dataclass
class FileServer:
    """What the server serves, and what it was asked.

    Attributes:
        fault: what is wrong with answers to GET: "", "ignores range", "truncates", "stalls", "resets", "too long", or
            an HTTP status. faults_left: how many answers have the fault; None for all. asked: the ranges, in order.
    """

    body: bytes
    tag: str | None = '"1"'
    fault: str = ""
    faults_left: int | None = None
    asked: list[tuple[int, int]] = field(default_factory=list)
    url: str = ""

    def next_fault(self) -> str:
        """The fault of this answer."""
        if self.faults_left is None:
            return self.fault
        self.faults_left -= 1
        return self.fault if self.faults_left >= 0 else ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: FileServer

    def log_message(self, *_arguments: object) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        self._head(200, len(self.served.body))

    def do_GET(self) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        assert found, "whole files are never asked for"
        start, stop = int(found[1]), int(found[2]) + 1
        self.served.asked.append((start, stop))
        fault, body = self.served.next_fault(), self.served.body
        if fault.isdecimal():
            self._head(int(fault), 0)
        elif fault == "resets":
            self.close_connection = True
        elif fault == "ignores range":
            self._send(200, body)
        elif fault == "too long":
            self._send(206, body[start:stop] + b"more")
        elif fault == "truncates":
            self._head(206, stop - start)
            self.wfile.write(body[start : (start + stop) // 2])
            self.close_connection = True
        else:
            if fault == "stalls":
                time.sleep(_STALL_S)
            self._send(206, body[start:stop])

    def _send(self, status: int, data: bytes) -> None:
        self._head(status, len(data))
        try:
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client had enough

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if self.served.tag is not None:
            self.send_header("ETag", self.served.tag)
        self.end_headers()


@contextmanager
def serving(body: bytes) -> Iterator[FileServer]:
    """A server of ``body`` at ``url`` while the context lasts."""
    served = FileServer(body)
    handler = type("Handler", (_Handler,), {"served": served})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        served.url = f"http://127.0.0.1:{server.server_port}/train.inrd"
        yield served
        server.shutdown()
