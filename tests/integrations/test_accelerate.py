"""accelerate: processes share an epoch, and checkpoints keep the loader's place."""

import json
from itertools import islice

import pytest
import torch

from inrformat import InrdDataset, InrdLoader, InrdReader

pytest.importorskip("accelerate", reason='accelerate is not installed: pip install "inrformat[accelerate]"')

from accelerate import Accelerator

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("processes", [1, 2])
def test_the_example_shares_an_epoch_among_its_processes(tile_file, launched, processes):
    seen = json.loads(launched("accelerate_ddp.py", tile_file, processes=processes, ACCELERATE_USE_CPU="true"))
    with InrdReader(tile_file) as reader:
        names = reader.text_field("name")
    assert [len(of_one) for of_one in seen] == [12 // processes] * processes
    assert sorted(name for of_one in seen for name in of_one) == sorted(names or ())


def test_a_loader_registered_for_checkpoints_goes_on_in_mid_epoch(tile_file, tmp_path):
    def prepared():
        accelerator = Accelerator(cpu=True)
        loader = InrdLoader(InrdDataset(tile_file), 4, shuffle=True, device=accelerator.device)
        model = torch.nn.Linear(1, 1)
        _, batches = accelerator.prepare(model, loader)
        assert batches is loader
        accelerator.register_for_checkpointing(batches)
        return accelerator, batches

    accelerator, batches = prepared()
    whole = [labels.tolist() for _, labels in batches]
    batches.set_epoch(0)
    begun = [labels.tolist() for _, labels in islice(batches, 1)]
    accelerator.save_state(str(tmp_path))
    accelerator, batches = prepared()
    accelerator.load_state(str(tmp_path))
    assert begun + [labels.tolist() for _, labels in batches] == whole
