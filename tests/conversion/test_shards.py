"""Conversions to several files: the same files whoever makes them, and whoever dies on the way."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from inrformat import CellsOptions, InrdDataset, InrdLoader, convert
from inrformat.conversion.shards import MANIFEST, one_by_one
from inrformat.errors import OutputExistsError, SourceError, UsageError


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.inrd")}


def whole(photo_folder, folder, **options):
    return convert(photo_folder, folder, CellsOptions(quality=60.0), shards=3, **options)


def test_shards_hold_all_images_once_under_one_codebook(photo_folder, tmp_path):
    summary = whole(photo_folder, tmp_path / "out")
    assert summary.samples == 12 and summary.bytes == sum(map(len, files_of(tmp_path / "out").values()))
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [MANIFEST, *(f"shard-{k:05}-of-00003.inrd" for k in range(3))]
    shards = [InrdDataset(path) for path in sorted((tmp_path / "out").glob("*.inrd"))]
    stored = [name for shard in shards for name in shard.reader.text_field("name") or ()]
    assert stored == sorted(stored) and len(stored) == 12
    assert all(shard.reader.codebook == shards[0].reader.codebook for shard in shards)
    assert [label for shard in shards for label in shard.targets] == [0] * 6 + [1] * 6
    assert sum(len(labels) for _, labels in InrdLoader(list(shards), batch_size=5)) == 12
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert [shard["samples"] for shard in manifest["shards"]] == [4, 4, 4]


def test_an_interrupted_conversion_goes_on_with_what_is_missing(photo_folder, tmp_path):
    whole(photo_folder, tmp_path / "whole")
    made = []

    def dying(conversion, learned, numbers):
        for number, summary in one_by_one(conversion, learned, numbers):
            made.append(number)
            yield number, summary
            if len(made) == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        whole(photo_folder, tmp_path / "out", runner=dying)
    assert "--resume" in caught.value.__notes__[0]
    assert not (tmp_path / "out" / MANIFEST).exists()
    with pytest.raises(SourceError, match=r"another conversion: number of shards"):
        convert(photo_folder, tmp_path / "out", CellsOptions(quality=60.0), shards=4, resume=True)
    whole(photo_folder, tmp_path / "out", runner=dying, resume=True)
    assert made == [0, 1, 2]
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    assert whole(photo_folder, tmp_path / "out", resume=True).samples == 12


def test_without_resume_what_an_interrupted_run_left_is_removed_and_files_of_others_refused(photo_folder, tmp_path):
    def dying(conversion, learned, numbers):
        yield from one_by_one(conversion, learned, numbers[:1])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        whole(photo_folder, tmp_path / "out", runner=dying)
    whole(photo_folder, tmp_path / "out")
    with pytest.raises(OutputExistsError):
        whole(photo_folder, tmp_path / "out")
    (tmp_path / "out" / MANIFEST).unlink()
    with pytest.raises(OutputExistsError, match="shard-00000"):
        whole(photo_folder, tmp_path / "out")


def test_what_cannot_be_sharded_is_refused(photo_folder, tmp_path):
    with pytest.raises(UsageError, match="13 shards of 12 images"):
        convert(photo_folder, tmp_path / "a", shards=13)
    with pytest.raises(UsageError, match="--target-size goes with one file"):
        convert(photo_folder, tmp_path / "b", CellsOptions(target_bytes=30_000), shards=2)
    tiles = [(np.zeros((8, 8, 3), np.uint8), k) for k in range(4)]
    with pytest.raises(UsageError, match="--class-names"):
        convert(tiles, tmp_path / "c", shards=2)
    assert not any(tmp_path.glob("*/*"))


@pytest.mark.slow
def test_ranks_of_one_job_make_the_same_files(photo_folder, tmp_path):
    whole(photo_folder, tmp_path / "whole")
    command = [
        sys.executable,
        "-m",
        "inrformat",
        "convert",
        str(photo_folder),
        str(tmp_path / "out"),
        "--quality",
        "60",
    ]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", *command[2:]]
    done = subprocess.run([*launcher, "--shards", "3"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("12 images") == 1
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


_ON_RAY = """
import sys, time, pathlib
import ray
from ray.cluster_utils import Cluster
from inrformat import CellsOptions, convert
from inrformat.conversion import reading
from inrformat.conversion.on_ray import RayRunner

source, out, kill = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3] == "kill"
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
other = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
nodes = set()

class Killing(RayRunner):
    def __call__(self, conversion, learned, numbers):
        for done, result in enumerate(super().__call__(conversion, learned, numbers)):
            if done == 1 and kill:
                cluster.remove_node(other, allow_graceful=False)
            yield result

print(convert(source, out, CellsOptions(quality=60.0), shards=6, runner=Killing()).samples)
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.slow
@pytest.mark.parametrize("kill", ["kill", "leave alone"])
def test_a_cluster_of_two_nodes_makes_the_same_files_even_if_one_is_killed(photo_folder, tmp_path, kill):
    pytest.importorskip("ray", reason="needs inrformat[ray]")
    convert(photo_folder, tmp_path / "whole", CellsOptions(quality=60.0), shards=6)
    done = subprocess.run(
        [sys.executable, "-c", _ON_RAY, str(photo_folder), str(tmp_path / "out"), kill],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0 and "12" in done.stdout.split(), done.stderr[-3000:]
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


@pytest.mark.slow
def test_a_killed_process_is_resumed_by_the_same_command(photo_folder, tmp_path):
    whole(photo_folder, tmp_path / "whole")
    command = [sys.executable, "-m", "inrformat", "convert", str(photo_folder), str(tmp_path / "out")]
    command += ["--quality", "60", "--shards", "3"]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while not any(tmp_path.glob("out/*.inrd")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert subprocess.run([*command, "--resume"], check=False).returncode == 0
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
