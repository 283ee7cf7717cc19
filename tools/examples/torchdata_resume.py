"""torchdata: its StatefulDataLoader keeps its place in an InrdDataset.

    tools/examples/torchdata_resume.py [train.inrd]

An InrdLoader keeps its place by itself; this is for those who decode in worker processes.
"""

from __future__ import annotations

from pathlib import Path

import torch
from photographs import file_from_arguments
from torchdata.stateful_dataloader import StatefulDataLoader

from inrformat import InrdDataset


def batches(path: Path, *, workers: int = 0) -> StatefulDataLoader:
    """Shuffled batches; the same order each time, so that a state of one loader fits another."""
    generator = torch.Generator().manual_seed(1)
    return StatefulDataLoader(InrdDataset(path), 4, shuffle=True, num_workers=workers, generator=generator)


def interrupted(path: Path, *, workers: int = 0) -> list[list[int]]:
    """The labels of an epoch's batches, the first from one loader, the others from one that goes on."""
    first, second = batches(path, workers=workers), batches(path, workers=workers)
    _, labels = next(iter(first))
    second.load_state_dict(first.state_dict())
    return [labels.tolist(), *(labels.tolist() for _, labels in second)]


if __name__ == "__main__":
    print("labels of each batch:", interrupted(file_from_arguments(__doc__)))
