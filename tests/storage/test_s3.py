"""Objects of S3, by its real client library against a server that speaks its protocol on the loopback device."""

import pytest

from inrformat import InrdDataset
from inrformat.container.reader import InrdReader
from inrformat.errors import InvalidFileError, RemoteError

pytest.importorskip("s3fs", reason="s3:// needs s3fs")
server_of = pytest.importorskip("moto.server", reason="the S3 server of these tests is moto's")

pytestmark = pytest.mark.slow
URL = "s3://photographs/sets/train.inrd"


@pytest.fixture
def bucket(monkeypatch, body):
    """Puts an object in place of the file's; and the storage options that lead there."""
    import boto3

    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=address, aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1"
    )
    client.create_bucket(Bucket="photographs")

    def put(data):
        client.put_object(Bucket="photographs", Key="sets/train.inrd", Body=data)

    put(body)
    yield put, {"key": "k", "secret": "s", "endpoint_url": address}
    server.stop()


def test_records_are_fetched_from_a_bucket_and_kept(bucket, records):
    _, options = bucket
    reader = InrdReader(URL, storage_options=options)
    assert reader.records([0, 7, 20]) == [records[k] for k in (0, 7, 20)]
    again = InrdReader(URL, storage_options=options, local_files_only=True)
    assert again.record(7) == records[7]


def test_an_object_replaced_in_mid_use_is_noticed(bucket, body):
    put, options = bucket
    reader = InrdReader(URL, storage_options=options)
    put(bytes(len(body)))
    with pytest.raises(InvalidFileError, match="FILE-CHANGED"):
        reader.records(range(len(reader)))


def test_a_bucket_that_is_not_there_is_named(bucket):
    _, options = bucket
    with pytest.raises(RemoteError, match=r"s3://elsewhere/x\.inrd"):
        InrdReader("s3://elsewhere/x.inrd", storage_options=options)


def test_a_data_set_in_a_bucket_decodes(bucket, photo_file):
    put, options = bucket
    put(photo_file.read_bytes())
    ours, local = InrdDataset(URL, storage_options=options), InrdDataset(photo_file)
    assert ours.targets == local.targets and bool((ours[5][0] == local[5][0]).all())
