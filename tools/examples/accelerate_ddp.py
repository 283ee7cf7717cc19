"""accelerate: an InrdLoader passes through ``prepare``, and every process takes its share of an epoch.

    accelerate launch tools/examples/accelerate_ddp.py [train.inrd]
    ACCELERATE_USE_CPU=true torchrun --standalone --nproc_per_node=2 tools/examples/accelerate_ddp.py [train.inrd]

The loader asks torch.distributed for its rank, decodes on the process's device, and is registered for checkpoints:
``save_state`` and ``load_state`` then keep its place in mid-epoch. What accelerate knows of the ends of its own loaders
it does not know of this one: let the number of accumulated batches divide that of an epoch.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from photographs import file_from_arguments
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import v2

from inrformat import InrdDataset, InrdLoader


def train(path: Path, accelerator: Accelerator) -> list[str]:
    """One epoch; the names of the samples that this process has seen."""
    dataset = InrdDataset(path, target=("class", "name"))
    transform = v2.Compose([v2.RandomResizedCrop(16), v2.ToDtype(torch.float32, scale=True)])
    batches = InrdLoader(dataset, 2, shuffle=True, transform=transform, device=accelerator.device)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, len(dataset.classes)))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    model, optimizer, batches = accelerator.prepare(model, optimizer, batches)
    accelerator.register_for_checkpointing(batches)
    seen: list[str] = []
    for images, (labels, names) in batches:
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        accelerator.backward(loss)
        optimizer.step()
        seen += names
    return seen


def main() -> None:
    """Train, and print as JSON what each process has seen."""
    accelerator = Accelerator()
    seen = gather_object([train(file_from_arguments(__doc__), accelerator)])
    accelerator.print(json.dumps(seen))
    accelerator.end_training()


if __name__ == "__main__":
    main()
