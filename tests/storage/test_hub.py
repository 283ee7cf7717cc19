"""The Hub's own file system against a loopback server that answers as the Hub does for one data set."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from inrformat.container.reader import InrdReader
from inrformat.storage.cache import BLOCK_BYTES

pytest.importorskip("huggingface_hub", reason="hf:// needs huggingface_hub")


@pytest.fixture
def hub(body):
    """Address of the server, and the ranges it was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments):
            """Keep quiet."""

        def do_GET(self):
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if "/resolve/" in self.path:
                assert found, "whole files are never asked for"
                asked.append((int(found[1]), int(found[2]) + 1))
                self._send(206, body[asked[-1][0] : asked[-1][1]])
            elif "/tree/" in self.path:
                entry = {"type": "file", "path": "train.inrd", "size": len(body), "oid": "a" * 40}
                self._send(200, json.dumps([entry]).encode())
            else:
                self._send(200, json.dumps({"id": "user/set", "sha": "c" * 40, "siblings": []}).encode())

        def _send(self, status, data):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_records_of_a_file_on_the_hub_are_fetched_and_nothing_more(hub, records):
    address, asked = hub
    options = {"endpoint": address, "token": False}
    reader = InrdReader("hf://datasets/user/set/train.inrd", storage_options=options)
    asked.clear()
    assert reader.record(20) == records[20]
    assert len(asked) == 1
    assert asked[0][1] - asked[0][0] <= 2 * BLOCK_BYTES
