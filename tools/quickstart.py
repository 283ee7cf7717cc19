"""The whole way once: photographs, a labelled folder, .inrd files, a classifier trained from them, a picture.

Started by ``tools/quickstart``. Everything it makes lies in one output folder, made anew each time.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from inrformat import InrdDataset
from inrformat.conversion.pixels.read import load_image
from inrformat.conversion.sources.folder import scan_folder

TILE_PX, TRAIN_TILES, TEST_TILES = 32, 36, 12
PREVIEW_PX, PREVIEW_PHOTOS, PREVIEW_QUALITY = 96, 6, 65
TRAIN_SHARE = 0.7
EPOCHS, SEEDS = 30, 3


def main() -> None:
    """Run every step, saying what it does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder of images, one sub-folder a class")
    parser.add_argument(
        "--output", type=Path, default=Path("quickstart-output"), help="made anew (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=600, help="fitting steps of the sirens (default: %(default)s)")
    arguments = parser.parse_args()
    out: Path = arguments.output
    if out.exists() and not (out / "quickstart.json").exists() and any(out.iterdir()):
        sys.exit(f"{out} exists and was not made by the quickstart: choose another --output")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / "quickstart.json").write_text("{}")

    say("1. Photographs")
    photos = own_photographs(arguments.folder) if arguments.folder else packaged_photographs()
    for name, images in photos.items():
        print(f"   {name}: {len(images)} of {', '.join(f'{i.shape[1]}x{i.shape[0]}' for i in images[:3])}")

    say(f"2. A labelled folder of {TILE_PX} px tiles; those for testing come from parts no training tile touches")
    for split, count in (("train", TRAIN_TILES), ("test", TEST_TILES)):
        write_tiles(photos, out / "tiles" / split, split=split, count=count)
    write_photographs(photos, out / "photographs")

    say("3. Convert and validate: one small network for each image")
    for split in ("train", "test"):
        inrformat("convert", out / "tiles" / split, out / f"{split}.inrd")
    photographs = out / "photographs"
    inrformat("convert", photographs, out / "photographs.inrd", "--quality", PREVIEW_QUALITY)
    inrformat("convert", photographs, out / "sirens.inrd", "--network", "siren", "--steps", arguments.steps)
    for name in ("train", "test", "photographs", "sirens"):
        inrformat("validate", out / f"{name}.inrd")
    inrformat("info", out / "train.inrd")

    say(f"4. The same classifier, trained on the pixels and on the .inrd ({SEEDS} seeds, {EPOCHS} epochs)")
    to_tensor = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    pixels = [ImageFolder(out / "tiles" / s, transform=to_tensor) for s in ("train", "test")]
    networks = [InrdDataset(out / f"{s}.inrd", transform=to_tensor) for s in ("train", "test")]
    accuracy = {}
    for name, train, test in (("pixels", pixels[0], pixels[1]), (".inrd", networks[0], pixels[1])):
        runs = [train_classifier(train, test, seed=seed) for seed in range(SEEDS)]
        accuracy[name] = float(np.mean(runs))
        print(
            f"   trained on {name:6}: {100 * accuracy[name]:.1f} % on the test tiles' original pixels (runs: "
            f"{', '.join(f'{100 * r:.1f}' for r in runs)}; chance {100 / len(photos):.1f} %)"
        )

    say("5. A picture to look at")
    preview(photographs, {"cells": out / "photographs.inrd", "siren": out / "sirens.inrd"}, out / "preview.png")
    print(f"   {out / 'preview.png'}: originals, and both families decoded at the native and at twice the native size")
    (out / "quickstart.json").write_text(json.dumps({"accuracy": accuracy}, indent=2))


def say(text: str) -> None:
    """A heading."""
    print(f"\n== {text}", flush=True)


def inrformat(*arguments: object) -> None:
    """Run a command as a user would, showing it."""
    words = [str(a) for a in arguments]
    print("   $ inrformat", *words, flush=True)
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "inrformat", *words], check=True)
    print(f"   ({time.monotonic() - began:.1f} s)", flush=True)


def packaged_photographs() -> dict[str, list[np.ndarray]]:
    """Photographs inside scikit-image and scikit-learn, each a class of its own: uint8 (H, W, 3)."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    return {
        "astronaut": [data.astronaut()],
        "cat": [data.chelsea()],
        "coffee": [data.coffee()],
        "flower": [load_sample_image("flower.jpg")],
        "rocket": [data.rocket()],
        "temple": [load_sample_image("china.jpg")],
    }


def own_photographs(folder: Path) -> dict[str, list[np.ndarray]]:
    """At most twelve images of each class of a folder."""
    source = scan_folder(folder)
    if not source.classes:
        sys.exit(f"{folder}: expected one sub-folder a class, found images directly in it")
    photos: dict[str, list[np.ndarray]] = {name: [] for name in source.classes}
    for number in range(len(source.names)):
        sample = source.sample(number)
        of_class = photos[source.classes[sample.values["label"]]]
        if len(of_class) < 12:
            of_class.append(load_image(sample.image))
    return photos


def write_tiles(photos: dict[str, list[np.ndarray]], folder: Path, *, split: str, count: int) -> None:
    """``count`` random square pieces a class, from the left of each photograph for training, the rest for testing."""
    rng = np.random.default_rng(0 if split == "train" else 1)
    for name, images in photos.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = images[number % len(images)]
            border = int(TRAIN_SHARE * image.shape[1])
            region = image[:, :border] if split == "train" else image[:, border:]
            side = max(int(rng.uniform(0.5, 0.9) * min(region.shape[0], image.shape[1] - border)), 1)
            top, left = (int(rng.integers(0, extent - side + 1)) for extent in region.shape[:2])
            tile = Image.fromarray(region[top : top + side, left : left + side])
            tile.resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS).save(folder / name / f"{number:03}.png")


def write_photographs(photos: dict[str, list[np.ndarray]], folder: Path) -> None:
    """One whole photograph of each of the first classes, reduced."""
    folder.mkdir(parents=True)
    for name, images in list(photos.items())[:PREVIEW_PHOTOS]:
        image = Image.fromarray(images[0])
        scale = PREVIEW_PX / min(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        image.resize(size, Image.Resampling.LANCZOS).save(folder / f"{name}.png")


def train_classifier(train: ImageFolder | InrdDataset, test: ImageFolder | InrdDataset, *, seed: int) -> float:
    """Train a small convolutional network; returns its accuracy on ``test``."""
    torch.manual_seed(seed)
    classes = len(train.classes)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, classes),
    )
    # Decoded once: the point here is accuracy, and a tile set fits in memory.
    images, labels = next(iter(DataLoader(train, batch_size=len(train))))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 3e-3, epochs=EPOCHS, steps_per_epoch=-(-len(labels) // 36)
    )
    flip = v2.RandomHorizontalFlip()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(labels)).split(36):
            loss = nn.functional.cross_entropy(model(flip(images[batch])), labels[batch], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()
    with torch.no_grad():
        images, labels = next(iter(DataLoader(test, batch_size=len(test))))
        return float((model(images).argmax(1) == labels).float().mean())


def preview(folder: Path, files: dict[str, Path], target: Path) -> None:
    """A photograph per row: original, then each family decoded at native size (with visible pixels) and at 2x."""
    native = {family: InrdDataset(file) for family, file in files.items()}
    double = {family: InrdDataset(file, size=2 * PREVIEW_PX) for family, file in files.items()}
    first = next(iter(native.values()))
    cell = max(2 * max(image.shape[1:]) for image, _ in first) + 8
    sheet = Image.new("RGB", ((1 + 2 * len(files)) * cell, len(first) * (2 * PREVIEW_PX + 28) + 8), "white")
    draw = ImageDraw.Draw(sheet)
    y = 4
    for row, name in enumerate(first.reader.text_field("name") or ()):
        with Image.open(folder / name) as original:
            pictures = [(f"{name}: original", original.convert("RGB"))]
        for family in files:
            index = native[family].reader.index
            psnr_db = float("nan") if index.psnr_db is None else index.psnr_db[row]
            caption = f"{family}, {psnr_db:.1f} dB, {index.lengths_bytes[row]:,} bytes"
            pictures += [
                (caption, to_picture(native[family][row][0])),
                (f"{family} at 2x", to_picture(double[family][row][0])),
            ]
        size = pictures[-1][1].size
        for column, (caption, picture) in enumerate(pictures):
            draw.text((column * cell + 4, y), caption, fill="black")
            sheet.paste(picture.resize(size, Image.Resampling.NEAREST), (column * cell + 4, y + 14))
        y += size[1] + 28
    sheet.crop((0, 0, sheet.width, y)).save(target)


def to_picture(image: torch.Tensor) -> Image.Image:
    """A decoded image for Pillow."""
    return Image.fromarray(image.permute(1, 2, 0).numpy())


if __name__ == "__main__":
    main()
