"""transformers: its Trainer takes an InrdDataset; the collator names the parts of a batch.

tools/examples/huggingface_trainer.py [train.inrd]
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from photographs import file_from_arguments
from torchvision.transforms import v2
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

from inrformat import InrdDataset


def collate(samples: list[tuple[torch.Tensor, int]]) -> dict[str, torch.Tensor]:
    """A batch under the names of a model for images."""
    images, labels = zip(*samples, strict=True)
    return {"pixel_values": torch.stack(images), "labels": torch.tensor(labels)}


def train(path: Path, folder: Path, *, epochs: int = 2, **options: Any) -> Trainer:
    """A trainer that has trained a small vision transformer from the beginning."""
    transform = v2.Compose([v2.RandomResizedCrop(32), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)])
    dataset = InrdDataset(path, transform=transform, lift=True)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = ViTConfig(image_size=32, patch_size=8, num_labels=len(dataset.classes), **shape)
    arguments = TrainingArguments(
        output_dir=str(folder), num_train_epochs=epochs, per_device_train_batch_size=4, report_to="none", **options
    )
    trainer = Trainer(
        model=ViTForImageClassification(config), args=arguments, train_dataset=dataset, data_collator=collate
    )
    trainer.train()
    return trainer


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        print(train(file_from_arguments(__doc__), Path(temporary), save_strategy="no").state.log_history)
