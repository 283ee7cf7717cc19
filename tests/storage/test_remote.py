"""Remote files against a real HTTP server on the loopback device, well behaved and not."""

import multiprocessing
import pickle

import numpy as np
import pytest

from inrformat.container.reader import InrdReader
from inrformat.container.validate import validate_file
from inrformat.errors import InvalidFileError, RemoteError, UsageError
from inrformat.storage.cache import BLOCK_BYTES
from inrformat.storage.remote import RemoteFile
from tests.storage.conftest import file_of


def impatient():
    aiohttp = pytest.importorskip("aiohttp")
    return {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=None, sock_read=0.3)}}


def test_a_remote_file_reads_as_the_local_one(server, records):
    reader = InrdReader(server.url)
    assert reader.path == server.url
    assert reader.records(range(len(reader))) == records
    assert reader.payload()[: len(records[0])].tobytes() == records[0]


def test_opening_takes_few_requests_and_a_batch_at_most_one_for_each_record(server):
    reader = InrdReader(server.url)
    assert len(server.asked) <= 4
    assert sum(stop - start for start, stop in server.asked) <= 4 * BLOCK_BYTES
    server.asked.clear()
    reader.records([8, 20, 32])
    assert len(server.asked) == 3
    server.asked.clear()
    reader.records([12, 13, 14])
    assert len(server.asked) == 1


def test_what_was_read_once_is_not_asked_for_again(server):
    InrdReader(server.url).records([5, 30])
    server.asked.clear()
    InrdReader(server.url).records([30, 5])
    assert server.asked == []


def test_without_a_network_the_cache_serves_and_says_what_it_lacks(server, records, monkeypatch):
    with pytest.raises(RemoteError, match="local_files_only"):
        InrdReader(server.url, local_files_only=True)
    InrdReader(server.url).record(5)
    server.fault = "500"
    offline = InrdReader(server.url, local_files_only=True)
    assert offline.record(5) == records[5]
    with pytest.raises(RemoteError, match="missing in the cache"):
        offline.record(20)
    monkeypatch.setenv("INRFORMAT_OFFLINE", "1")
    assert InrdReader(server.url).record(5) == records[5]


@pytest.mark.parametrize("fault", ["500", "503", "429", "resets", "truncates", "stalls"])
def test_a_passing_fault_is_sat_out(server, records, fault):
    reader = InrdReader(server.url, storage_options=impatient())
    server.fault, server.faults_left = fault, 1
    assert reader.record(20) == records[20]


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        ("404", "check the URL"),
        ("403", "credentials"),
        ("416", "0 bytes instead of"),
        ("500", "try again"),
        ("resets", "try again"),
        ("truncates", "try again"),
        ("stalls", "try again"),
        ("too long", "instead of"),
        ("ignores range", "serves ranges"),
    ],
)
def test_a_lasting_fault_names_url_range_and_remedy(server, fault, remedy):
    reader = InrdReader(server.url, storage_options=impatient())
    server.fault = fault
    with pytest.raises(RemoteError, match=remedy) as caught:
        reader.record(20)
    assert server.url in str(caught.value)
    assert "bytes 786432 to" in str(caught.value)
    assert len(server.asked) < 12


def test_refusals_are_not_asked_again(server):
    reader = InrdReader(server.url)
    server.asked.clear()
    server.fault = "403"
    with pytest.raises(RemoteError):
        reader.record(20)
    assert len(server.asked) == 1


def test_a_replaced_file_is_another_entry(server, tmp_path, records):
    InrdReader(server.url).records(range(40))
    server.body, server.tag = file_of(tmp_path / "y.inrd", records[::-1]), '"2"'
    assert InrdReader(server.url).records(range(40)) == records[::-1]


def test_a_file_replaced_while_it_is_read_is_noticed(server, tmp_path, records):
    reader = InrdReader(server.url)
    server.body, server.tag = file_of(tmp_path / "y.inrd", records[::-1]), '"2"'
    with pytest.raises(InvalidFileError, match="FILE-CHANGED"):
        reader.record(20)
    with pytest.raises(InvalidFileError, match="FILE-CHANGED"):
        pickle.loads(pickle.dumps(reader))
    assert InrdReader(server.url).record(20) == records[::-1][20]


def test_without_a_validator_nothing_is_kept(server, cache_folder, records):
    server.tag = None
    assert InrdReader(server.url).record(20) == records[20]
    assert not cache_folder.exists()


def _record_in_child(reader, k, queue):
    queue.put(reader.record(k))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_read_through_a_reader_they_were_given(server, records, method):
    reader = InrdReader(server.url)
    reader.record(3)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=_record_in_child, args=(reader, 33, queue))
    child.start()
    assert queue.get(timeout=60) == records[33]
    child.join()


def test_validation_takes_a_url(server):
    assert validate_file(server.url, check_codebook=lambda _reader: None).ok


def test_other_protocols_of_fsspec_work(body, records):
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe_file("/set/train.inrd", body)
    assert InrdReader("memory://set/train.inrd").record(20) == records[20]


def test_an_unknown_protocol_is_a_usage_error():
    with pytest.raises(UsageError, match="nonsense"):
        RemoteFile("nonsense://x/y.inrd")


def test_a_file_that_is_not_there_is_named(server):
    server.body = b""
    with pytest.raises(InvalidFileError, match=r"http://127"):
        InrdReader(server.url)
    assert np.size(server.asked) == 0
