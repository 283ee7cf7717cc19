"""Lightning's fit loop over an InrdLoader, and its checkpoints."""

import math

import pytest
import torch

pytest.importorskip("lightning", reason='Lightning is not installed: pip install "inrformat[lightning]"')

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:lightning", "ignore::UserWarning:lightning"),
]

SAMPLES, BATCH_SIZE, EPOCHS = 12, 4, 3
EVERY_BATCH, EVERY_EPOCH = {"every_n_train_steps": 1}, {"every_n_epochs": 1}


class PreemptedError(Exception):
    """The machine is wanted for something else."""


class Recorder(L.Callback):
    """Keeps the batches of a run, and ends it before a certain one."""

    def __init__(self, preempted_after):
        self.batches, self.preempted_after = [], preempted_after

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if len(self.batches) == self.preempted_after:
            raise PreemptedError
        self.batches.append(batch)


def run(example, path, folder, *, preempted_after=None, checkpoint=None, every=EVERY_BATCH):
    """Batches and model of a run, which leaves its last checkpoint before a preemption."""
    recorder = Recorder(preempted_after)
    saving = ModelCheckpoint(folder, filename="last", enable_version_counter=False, **every)
    trainer = example.trainer(
        folder, max_epochs=EPOCHS, accelerator="cpu", enable_checkpointing=True, callbacks=[recorder, saving]
    )
    model = example.Classifier()
    try:
        trainer.fit(model, example.Photographs(path, batch_size=BATCH_SIZE), ckpt_path=checkpoint)
    except PreemptedError:
        assert len(recorder.batches) == preempted_after
    return recorder.batches, model


@pytest.mark.parametrize("preempted_after", [1, 2, 3, 5])
def test_a_run_that_goes_on_is_the_uninterrupted_one(tile_file, tmp_path, example, preempted_after):
    module = example("lightning_module")
    L.seed_everything(0)
    whole, expected = run(module, tile_file, tmp_path / "whole")
    assert len(whole) == EPOCHS * SAMPLES // BATCH_SIZE
    L.seed_everything(0)
    begun, _ = run(module, tile_file, tmp_path / "parts", preempted_after=preempted_after)
    rest, model = run(module, tile_file, tmp_path / "parts", checkpoint=tmp_path / "parts" / "last.ckpt")
    assert len(begun + rest) == len(whole)
    for batch, wanted in zip(begun + rest, whole, strict=True):
        assert all(torch.equal(part, other) for part, other in zip(batch, wanted, strict=True))
    for weights, trained in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(weights, trained)


def test_a_run_goes_on_after_the_last_whole_epoch(tile_file, tmp_path, example):
    module = example("lightning_module")
    whole, _ = run(module, tile_file, tmp_path / "whole")
    run(module, tile_file, tmp_path / "parts", preempted_after=5, every=EVERY_EPOCH)
    rest, _ = run(module, tile_file, tmp_path / "parts", checkpoint=tmp_path / "parts" / "last.ckpt")
    assert [labels.tolist() for _, labels in rest] == [labels.tolist() for _, labels in whole[3:]]
    assert all(torch.equal(images, wanted) for (images, _), (wanted, _) in zip(rest, whole[3:], strict=True))


def test_the_example_goes_on_where_it_stopped(tile_file, tmp_path, example):
    losses = example("lightning_module").interrupted(tile_file, tmp_path)
    assert len(losses) == EPOCHS * SAMPLES // BATCH_SIZE
    assert all(math.isfinite(loss) for loss in losses)
