"""PyTorch's fully sharded data parallel: an InrdLoader beside a sharded model, in torch alone.

    torchrun --standalone --nproc_per_node=2 tools/examples/fsdp.py [train.inrd]

The ranks of an InrdLoader are those of the default process group. Where a model is divided among processes too, give
the loader a ``sampler`` for the data-parallel ranks instead.
"""

from __future__ import annotations

import gc
import json
from pathlib import Path

import torch
from photographs import file_from_arguments
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn import functional as F
from torchvision.transforms import v2

from inrformat import InrdDataset, InrdLoader


def train(path: Path, device: torch.device) -> list[str]:
    """One epoch; the names of the samples that this process has seen."""
    dataset = InrdDataset(path, target=("class", "name"))
    transform = v2.Compose([v2.RandomResizedCrop(16), v2.ToDtype(torch.float32, scale=True)])
    batches = InrdLoader(dataset, 2, shuffle=True, transform=transform, device=device)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 8), nn.ReLU(), nn.Linear(8, len(dataset.classes)))
    fully_shard(model.to(device), mesh=init_device_mesh(device.type, (distributed.get_world_size(),)))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    seen: list[str] = []
    for images, (labels, names) in batches:
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += names
    return seen


def main() -> None:
    """Train, and print as JSON what each process has seen."""
    distributed.init_process_group()
    rank, world = distributed.get_rank(), distributed.get_world_size()
    device = (
        torch.device("cuda", rank % torch.cuda.device_count()) if torch.cuda.is_available() else torch.device("cpu")
    )
    if device.type == "cuda":
        torch.cuda.set_device(device)
    of_each: list[list[str]] = [[] for _ in range(world)]
    distributed.all_gather_object(of_each, train(file_from_arguments(__doc__), device))
    if rank == 0:
        print(json.dumps(of_each))
    # Processes leave together, and what is left of the sharded model before the threads of its process group.
    distributed.barrier()
    gc.collect()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
