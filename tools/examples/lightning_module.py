"""Lightning: a DataModule whose batches come from an InrdLoader, and a run that goes on in the middle of an epoch.

    tools/examples/lightning_module.py [train.inrd]

Lightning keeps the loader's state in its checkpoints, because the loader has ``state_dict`` and ``load_state_dict``:
``ckpt_path`` is all that resuming takes. For several GPUs: ``Trainer(use_distributed_sampler=False, ...)``, each rank
takes its share by itself.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightning as L  # as Lightning's documentation has it
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from photographs import file_from_arguments
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2

from inrformat import InrdLoader


class Photographs(L.LightningDataModule):  # type: ignore[misc]  # Lightning is optional
    """The batches of one file."""

    def __init__(self, path: Path, *, batch_size: int = 4) -> None:
        super().__init__()
        self.path, self.batch_size = path, batch_size

    def train_dataloader(self) -> InrdLoader:
        """Shuffled crops, decoded on the device that trains."""
        transform = v2.Compose([v2.RandomResizedCrop(16), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, True)])
        # strategy.root_device is this rank's device.
        device = self.trainer.strategy.root_device if self.trainer else "auto"
        return InrdLoader(self.path, self.batch_size, shuffle=True, transform=transform, device=device)


class Classifier(L.LightningModule):  # type: ignore[misc]  # Lightning is optional
    """A linear classifier, which keeps the losses of its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2))
        self.losses: list[float] = []

    def training_step(self, batch: tuple[Tensor, Tensor], _number: int) -> Tensor:
        """The loss of a batch."""
        images, labels = batch
        loss = F.cross_entropy(self.model(images), labels)
        self.losses.append(loss.item())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain gradient descent."""
        return torch.optim.SGD(self.parameters(), 0.01)


def trainer(folder: Path, **options: Any) -> L.Trainer:
    """A quiet trainer on one device."""
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return L.Trainer(default_root_dir=folder, devices=1, **{**quiet, **options})


def interrupted(path: Path, folder: Path, *, steps: int = 5, epochs: int = 3) -> list[float]:
    """The losses of a run that stops after ``steps`` batches, and of another that goes on from its checkpoint."""
    L.seed_everything(0)
    first, second = Classifier(), Classifier()
    every_batch = ModelCheckpoint(folder, filename="last", every_n_train_steps=1)
    trainer(folder, max_steps=steps, callbacks=[every_batch]).fit(first, Photographs(path))
    going_on = trainer(folder, max_epochs=epochs, enable_checkpointing=False)
    going_on.fit(second, Photographs(path), ckpt_path=every_batch.best_model_path)
    return first.losses + second.losses


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        print("loss of each batch:", interrupted(file_from_arguments(__doc__), Path(temporary)))
