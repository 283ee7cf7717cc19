"""Hugging Face datasets: a split to an .inrd file and back, and the card and command to publish the file with.

    tools/examples/huggingface_datasets.py [train.inrd] [--upload USER/SET]

``load_dataset("user/set", split="train")`` gives the split in earnest; here it is made of an .inrd. Published, the file
is read where it is: ``InrdDataset("hf://datasets/user/set/train.inrd")``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import datasets
import huggingface_hub
from photographs import photographs_file

from inrformat import CellsOptions, InrdReader
from inrformat.integrations.huggingface import convert_dataset, to_dataset

TEMPLATE = Path(__file__).with_name("huggingface_card.md")


def round_trip(path: Path, output: Path) -> datasets.Dataset:
    """The file's images as a data set, that as a new file ``output``, and the images of that one."""
    split = to_dataset(path)
    convert_dataset(split, output, CellsOptions(quality=80))
    return to_dataset(output)


def card(path: Path) -> huggingface_hub.DatasetCard:
    """What the Hub shows beside the file: change license, title and text."""
    with InrdReader(path) as reader:
        samples, classes = len(reader), reader.metadata.classes
    facts = huggingface_hub.DatasetCardData(
        license="other", task_categories=["image-classification"], pretty_name=path.stem, tags=["inrd", "inrformat"]
    )
    return huggingface_hub.DatasetCard.from_template(
        facts, template_path=str(TEMPLATE), file=path.name, samples=samples, classes=classes
    )


def upload(path: Path, repository: str) -> None:
    """Publish file and card; ``huggingface-cli login`` comes first."""
    huggingface_hub.create_repo(repository, repo_type="dataset", exist_ok=True)
    huggingface_hub.upload_file(path_or_fileobj=path, path_in_repo=path.name, repo_id=repository, repo_type="dataset")
    card(path).push_to_hub(repository)


def main() -> None:
    """Convert there and back; publish where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="an .inrd of labelled images; by default one is made")
    parser.add_argument("--upload", metavar="USER/SET", help="publish the file there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        path = arguments.file or photographs_file(Path(temporary))
        print(round_trip(path, Path(temporary) / "again.inrd"))
        if arguments.upload:
            upload(path, arguments.upload)


if __name__ == "__main__":
    main()
