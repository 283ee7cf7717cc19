"""SIREN encoding: ours against the paper's procedure, side by side on the same images in one run.

    python tools/bench/siren_encode.py cifar IMAGES_DIR     # speed, quality, bytes, and what each stage costs or gains
    python tools/bench/siren_encode.py base IMAGES_DIR      # what the shared base is worth, to images it has not seen
    python tools/bench/siren_encode.py rd IMAGES_DIR        # rate-distortion at 224 px, pruning on and off
    python tools/bench/siren_encode.py cuda IMAGES_DIR      # 10x28 at 224 px on a GPU

The paper's procedure, written plainly: one image, one network, torch.optim.Adam over all pixels, then ``.half()``.
Writes one JSON a run to tools/bench/results/. Speeds are only to be read as ratios within a run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import torch
import zstandard
from PIL import Image as PilImage

from inrformat.coding.rans import RansDecoder
from inrformat.coding.tables import SymbolTable
from inrformat.container.metadata import Metadata
from inrformat.container.writer import InrdWriter
from inrformat.encoding.corpus import Corpus
from inrformat.encoding.record import Image
from inrformat.families.siren.encoder.encoder import SirenEncoder
from inrformat.families.siren.encoder.engine import AdamConfig, Engine, Fit, Initialization, OnFit, Shape, ignore_fits
from inrformat.families.siren.encoder.engines import engine_for
from inrformat.families.siren.encoder.fit import FirstFit
from inrformat.families.siren.encoder.initialization import choose_origin, initial_parameters
from inrformat.families.siren.encoder.optimizer import Optimizer
from inrformat.families.siren.encoder.options import Pruning, SirenOptions
from inrformat.families.siren.encoder.quantization_steps import allocate_quantization_steps
from inrformat.families.siren.encoder.quantize import Quantizer
from inrformat.families.siren.encoder.rate_control import quantize_for_drop
from inrformat.families.siren.record import read_records

RESULTS = Path(__file__).parent / "results"
METADATA = Metadata(generator="inrformat bench")
ADAM: dict[str, Any] = {"learning_rate": 2e-3}


def load(folder: Path, count: int, *, side: int | None = None) -> list[np.ndarray]:
    """A seeded choice of images; with ``side``, their central square resized to it."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
    chosen = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[:count]]
    images = []
    for path in chosen:
        image = PilImage.open(path).convert("RGB")
        if side is not None:
            short = min(image.size)
            left, top = (image.width - short) // 2, (image.height - short) // 2
            image = image.crop((left, top, left + short, top + short)).resize((side, side), PilImage.Resampling.LANCZOS)
        images.append(np.asarray(image))
    return images


def one_at_a_time(image: np.ndarray, hidden: tuple[int, int], steps: int, seed: int) -> float:
    """The paper's procedure for one image; returns the best mean squared error, as its code keeps the best weights."""
    torch.manual_seed(seed)
    layers, width = hidden
    sizes = [2, *[width] * layers, 3]
    linears = [torch.nn.Linear(a, b) for a, b in pairwise(sizes)]
    for number, linear in enumerate(linears):
        bound = 1 / 2 if number == 0 else math.sqrt(6 / linear.in_features) / 30
        torch.nn.init.uniform_(linear.weight, -bound, bound)
    height, wide = image.shape[:2]
    x, y = (2 * torch.arange(wide) + 1) / wide - 1, (2 * torch.arange(height) + 1) / height - 1
    xy = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)
    truth = torch.from_numpy(image.reshape(-1, 3) / 255).float()
    parameters = [p for linear in linears for p in linear.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=ADAM["learning_rate"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best = math.inf
    for _ in range(steps):
        h = xy
        for linear in linears[:-1]:
            h = torch.sin(30 * linear(h))
        loss = torch.nn.functional.mse_loss(0.5 + 0.5 * linears[-1](h), truth)
        best = min(best, loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return best


def decibels(mse: np.ndarray) -> float:
    """Mean PSNR."""
    return float(np.mean(-10 * np.log10(mse)))


def file_bytes(codebook: Any, records: list[Any], folder: Path) -> int:
    """Size of the .inrd file those records make, everything counted."""
    path = folder / "bench.inrd"
    path.unlink(missing_ok=True)
    with InrdWriter(path) as writer:
        for r in records:
            writer.add(r.data, height=r.height, width=r.width, network=r.network, psnr_db=r.psnr_db)
        writer.finish(codebook=codebook.to_map(), metadata=METADATA)
    size = path.stat().st_size
    path.unlink()
    return size


class RememberingEngine:
    """Fits that several arms of a comparison have in common run once; speeds mean nothing then."""

    def __init__(self) -> None:
        self._engine = engine_for(torch.device("cpu"))
        self._known: dict[bytes, Fit] = {}

    def fit(
        self,
        shape: Shape,
        images: Sequence[Image],
        initialization: Initialization,
        adam: AdamConfig,
        *,
        on_fit: OnFit = ignore_fits,
    ) -> Fit:
        """See ``Engine.fit``."""
        digest = hashlib.sha256(repr((shape, adam)).encode())
        bound = [getattr(initialization, field.name) for field in fields(initialization)]
        for array in (*bound, *images):
            digest.update(b"-" if array is None else array.tobytes())
        if digest.digest() not in self._known:
            self._known[digest.digest()] = self._engine.fit(shape, images, initialization, adam)
        known = self._known[digest.digest()]
        return Fit(known.differences.copy(), known.mse.copy(), known.steps.copy(), known.diverged.copy())


def fixed_bytes(codebook: Any, records: list[Any]) -> float:
    """Mean length of the records if each group of weights were stored with as many bits as its largest symbol needs."""
    total = 0.0
    for r in records:
        network = codebook.networks[r.network]
        decoder = RansDecoder([r.data], codebook.tables, lanes=network.lanes(height=r.height, width=r.width))
        symbols = read_records(network, decoder)[1][0]
        groups = np.split(np.abs(symbols), np.cumsum(network.group_sizes)[:-1])
        total += sum(len(g) * math.ceil(math.log2(2 * int(g.max()) + 1)) for g in groups) / 8
    return total / len(records)


def encoded(
    images: list[np.ndarray], folder: Path, *, engine: Engine | None = None, sample: Any = None, **options: Any
) -> dict[str, Any]:
    """Encode with those options, having learned from ``sample`` or the images themselves: quality, bytes, time."""
    encoder = SirenEncoder(SirenOptions(**options), device=torch.device("cpu"), engine=engine)
    corpus = Corpus.of(images) if sample is None else replace(Corpus.of(sample), complete=False)
    began = time.perf_counter()
    trained = encoder.train(corpus)
    codebook, records = trained.codebook, trained.encode(images)
    seconds = time.perf_counter() - began
    psnr = np.array([r.psnr_db for r in records])
    return {
        "psnr_db": round(float(psnr.mean()), 3),
        "worst_psnr_db": round(float(psnr.min()), 3),
        "record_bytes": round(float(np.mean([len(r.data) for r in records])), 1),
        "file_bytes_per_image": round(file_bytes(codebook, records, folder) / len(images), 1),
        "codebook_bytes": len(zstandard.compress(msgpack.packb(codebook.to_map()))),
        "fixed_bits_bytes": round(fixed_bytes(codebook, records), 1),
        "zero_weights_percent": round(100 * float(np.mean([r.sparsity for r in records])), 1),
        "pruned_images": int(sum(r.network == 1 for r in records)),
        "images_per_s": round(len(images) / seconds, 3),
        "all_psnr_db": [round(float(p), 2) for p in psnr],
    }


def speed(images: list[np.ndarray], *, slow_count: int, steps: int, rounds: int = 5) -> dict[str, Any]:
    """Images per second of the fit alone, same shape, learning rate, steps and random start; both in each round."""
    hidden, shape = (3, 15), Shape((2, 15, 15, 15, 3), 30.0)
    adam = AdamConfig(steps=steps, **ADAM)
    engine = engine_for(torch.device("cpu"))
    firsts = np.stack([initial_parameters(shape, seed=seed) for seed in range(len(images))])
    zeros = np.zeros_like(firsts[0])
    compiling = Initialization(origin=zeros, differences=firsts[:1])
    engine.fit(shape, images[:1], compiling, AdamConfig(steps=1, **ADAM))
    plain_rates, rates = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        plain = np.array([one_at_a_time(image, hidden, steps, seed) for seed, image in enumerate(images[:slow_count])])
        plain_rates.append(slow_count / (time.perf_counter() - began))
        began = time.perf_counter()
        fit = engine.fit(shape, images, Initialization(origin=zeros, differences=firsts), adam)
        rates.append(len(images) / (time.perf_counter() - began))
    ratios = np.array(rates) / np.array(plain_rates)
    return {
        "threads": torch.get_num_threads(),
        "steps": steps,
        "images": len(images),
        "plain_images": slow_count,
        "plain_images_per_s": [round(rate, 3) for rate in plain_rates],
        "images_per_s": [round(rate, 2) for rate in rates],
        "ratios": [round(float(ratio), 2) for ratio in ratios],
        "median_ratio": round(float(np.median(ratios)), 2),
        "plain_psnr_db": round(decibels(plain), 3),
        "psnr_db_same_images": round(decibels(fit.mse[:slow_count]), 3),
        "psnr_db": round(decibels(fit.mse), 3),
    }


def quantization(images: list[np.ndarray], *, shared: bool) -> dict[str, Any]:
    """What rounding and fine-tuning cost against float, and the bits before and after entropy coding."""
    shape, adam = Shape((2, 15, 15, 15, 3), 30.0), AdamConfig(steps=1500, **ADAM)
    optimizer = Optimizer(engine_for(torch.device("cpu")), shape, adam)
    origin = choose_origin(optimizer, images, shared_base=shared)
    fit = FirstFit(optimizer=optimizer, origin=origin).fit(images)
    network = allocate_quantization_steps(SirenOptions(max_drop_db=0.25), shape, fit, base=origin.base)
    quantizer = Quantizer(network, optimizer.with_steps(250).with_learning_rate(3e-4))
    tuned = quantize_for_drop(quantizer, fit, max_drop_db=0.25)
    rounded = quantizer.without_fine_tuning().quantize(fit, tuned.scales)
    groups = np.split(tuned.symbols, np.cumsum(network.group_sizes)[:-1], axis=1)
    sizes = np.array(network.group_sizes)
    own = np.array([np.ceil(np.log2(2 * np.abs(g).max(1) + 1)) for g in groups]).T @ sizes / sizes.sum()
    coded = sum(float(SymbolTable.from_values(g).cost_bits(g).sum()) for g in groups) / tuned.symbols.size
    drop = 10 * np.log10(tuned.mse / fit.mse)
    return {
        "float_psnr_db": round(decibels(fit.mse), 3),
        "rounded_psnr_db": round(decibels(rounded.mse), 3),
        "fine_tuned_psnr_db": round(decibels(tuned.mse), 3),
        "mean_drop_db": round(float(drop.mean()), 3),
        "worst_drop_db": round(float(drop.max()), 3),
        "fixed_bits_per_weight": round(float(own.mean()), 3),
        "entropy_coded_bits_per_weight": round(coded, 3),
    }


def unseen(learned_from: list[np.ndarray], images: list[np.ndarray], folder: Path) -> dict[str, Any]:
    """What a base is worth to images that it was not learned from, at several numbers of steps."""
    result: dict[str, Any] = {"learned_from": len(learned_from), "images": len(images)}
    for steps in (500, 1500):
        for name, shared in (("shared base", True), ("no base", False)):
            run = encoded(
                images,
                folder,
                sample=learned_from,
                hidden=(3, 15),
                steps=steps,
                shared_base=shared,
                pruning=Pruning.NONE,
            )
            result[f"{steps} steps, {name}"] = without_images(run)
    return result


def base_by_count(images: list[np.ndarray], folder: Path) -> dict[str, Any]:
    """Bytes an image at 28 dB with a base and without, codebook counted, by the number of images that share it."""
    result = {}
    for count in (4, 8, 12, 24):
        for name, shared in (("shared base", True), ("no base", False)):
            options: dict[str, Any] = {
                "hidden": (3, 15),
                "psnr_db": 28.0,
                "pruning": Pruning.NONE,
                "shared_base": shared,
            }
            run = without_images(encoded(images[:count], folder, **options))
            run["bytes_per_image"] = round(run["record_bytes"] + run["codebook_bytes"] / count, 1)
            result[f"{count} images, {name}"] = run
    return result


def without_images(run: dict[str, Any]) -> dict[str, Any]:
    """A run without its per-image figures."""
    return {k: v for k, v in run.items() if not k.startswith("all_")}


def cifar(images: list[np.ndarray], folder: Path, *, slow_count: int) -> dict[str, Any]:
    """Speed with all ``images``, everything else with the first half of them, to stay within ten minutes."""
    result: dict[str, Any] = {"float16_bytes_per_image": 573 * 2}
    result["speed"] = speed(images, slow_count=slow_count, steps=1500)
    images = images[: len(images) // 2]
    result["images_of_all_else"] = len(images)
    result["quantization, shared base"] = quantization(images, shared=True)
    result["quantization, no base"] = quantization(images, shared=False)
    print(json.dumps(result, indent=1), flush=True)
    runs: dict[str, dict[str, Any]] = {
        "default": {},
        "no pruning": {"pruning": Pruning.NONE},
        "no pruning, no shared base": {"pruning": Pruning.NONE, "shared_base": False},
        "no pruning, no fine-tuning": {"pruning": Pruning.NONE, "fine_tune_steps": 0},
        "no pruning, no allocation": {"pruning": Pruning.NONE, "allocate": False},
        "psnr 30 dB": {"psnr_db": 30.0},
        "400 bytes an image": {"bytes_per_image": 400},
        "no pruning, 1 dB for quantization": {"pruning": Pruning.NONE, "max_drop_db": 1.0},
        "no pruning, longer": {"pruning": Pruning.NONE, "steps": round(1500 * LONGER)},
        "iterative pruning 15 %": {"pruning": Pruning.RATIO, "prune_ratio": 0.15},
        "dynamic pruning 0.5 dB": {"pruning": Pruning.DYNAMIC, "prune_drop_db": 0.5},
    }
    remembering = RememberingEngine()
    for name, options in runs.items():
        timed = name in ("default", "psnr 30 dB")
        result[name] = encoded(images, folder, engine=None if timed else remembering, hidden=(3, 15), **options)
        if not timed:
            del result[name]["images_per_s"]
        print(name, json.dumps(without_images(result[name])), flush=True)
        save("cifar", result)
    return result


# Explicit dynamic pruning fine-tunes for rounds of a sixth of the steps: its fair rival spends five without pruning.
LONGER = 11 / 6
ARMS: dict[str, dict[str, Any]] = {
    "none": {"pruning": Pruning.NONE},
    "auto": {},
    "auto, no trial": {"prune_trial": False},
    "dynamic 0.3 dB": {"pruning": Pruning.DYNAMIC, "prune_drop_db": 0.3},
    "none, longer": {"pruning": Pruning.NONE},
}
STAGES: dict[str, dict[str, Any]] = {"no allocation": {"allocate": False}, "no fine-tuning": {"fine_tune_steps": 0}}


def rate_distortion(images: list[np.ndarray], folder: Path, *, steps: int) -> dict[str, Any]:
    """Three shapes at several quantization budgets: pruning off, automatic, explicit; and its steps but no pruning.

    At the middle budget also without allocation and without fine-tuning.
    """
    result: dict[str, Any] = {"steps": steps, "images": len(images), "points": []}
    for hidden in ((5, 28), (10, 28), (10, 40)):
        engine = RememberingEngine()
        for drop in (0.15, 0.5, 1.5):
            stages = {name: {"pruning": Pruning.NONE, **arm} for name, arm in STAGES.items() if drop == 0.5}
            for name, arm in {**ARMS, **stages}.items():
                taken = round(steps * LONGER) if name == "none, longer" else steps
                run = encoded(images, folder, engine=engine, hidden=hidden, steps=taken, max_drop_db=drop, **arm)
                run |= {"hidden": hidden, "max_drop_db": drop, "pruning": name}
                run["rate_bpp"] = round(8 * run["record_bytes"] / (images[0].shape[0] * images[0].shape[1]), 4)
                del run["images_per_s"]
                result["points"].append(run)
                print(json.dumps({k: v for k, v in run.items() if not k.startswith("all_")}), flush=True)
                save("rd", result)
    return result


def plot(result: dict[str, Any], path: Path) -> None:
    """PSNR over bits per pixel: one panel a shape, one line an arm."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shapes = sorted({tuple(p["hidden"]) for p in result["points"]})
    figure, panels = plt.subplots(1, len(shapes), figsize=(4.2 * len(shapes), 4), squeeze=False)
    for axes, hidden in zip(panels[0], shapes, strict=True):
        for (arm, _), style in zip(ARMS.items(), ("-", "--", "-.", ":", ":"), strict=True):
            chosen = [p for p in result["points"] if tuple(p["hidden"]) == hidden and p["pruning"] == arm]
            chosen.sort(key=lambda p: p["rate_bpp"])
            rates, qualities = [p["rate_bpp"] for p in chosen], [p["psnr_db"] for p in chosen]
            axes.plot(rates, qualities, style, marker="o", markersize=4, label=f"pruning: {arm}")
        axes.set(xlabel="rate (bits per pixel, records)", ylabel="PSNR-RGB (dB)")
        axes.set_title(f"{hidden[0]}x{hidden[1]} at 224 px, {result['steps']} steps")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def save(what: str, result: dict[str, Any]) -> None:
    """Write the run's JSON; what took long is kept even if the rest is interrupted."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"siren_encode_{what}.json").write_text(json.dumps(result) + "\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("cifar", "base", "rd", "cuda"))
    parser.add_argument("images", type=Path)
    parser.add_argument("--count", type=int)
    parser.add_argument("--slow-count", type=int, default=8, help="images for the one-at-a-time procedure")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--scratch", type=Path, default=Path())
    args = parser.parse_args()
    if args.what == "cifar":
        began = time.perf_counter()
        result = cifar(load(args.images, args.count or 256), args.scratch, slow_count=args.slow_count)
        result["minutes"] = round((time.perf_counter() - began) / 60, 2)
    elif args.what == "base":
        count = args.count or 96
        both = load(args.images, 2 * count)
        result = {"images it was not learned from": unseen(both[:count], both[count:], args.scratch)}
        result["by images that share it"] = base_by_count(both, args.scratch)
        print(json.dumps(result))
    elif args.what == "rd":
        result = rate_distortion(load(args.images, args.count or 4, side=224), args.scratch, steps=args.steps)
        plot(result, RESULTS / "siren_rd_224.png")
    else:
        result = cuda(load(args.images, args.count or 256, side=224), steps=args.steps)
    save(args.what, result)


def cuda(images: list[np.ndarray], *, steps: int) -> dict[str, Any]:
    """10x28 at 224 px on a GPU: images per second, and the share of the bf16 matrix rate."""
    shape = Shape((2, *[28] * 10, 3), 30.0)
    engine = engine_for(torch.device("cuda"))
    first = initial_parameters(shape, seed=0)
    initialization = Initialization(
        origin=np.zeros_like(first), differences=np.repeat(first[None], len(images), axis=0)
    )
    adam = AdamConfig(steps=steps, learning_rate=1e-3, pixels_per_step=4096)
    began = time.perf_counter()
    fit = engine.fit(shape, images, initialization, adam)
    seconds = time.perf_counter() - began
    per_pixel = 3 * sum(a * b for a, b in pairwise(shape.widths))
    multiply_adds = per_pixel * 4096 * steps * len(images)
    return {
        "device": torch.cuda.get_device_name(),
        "images": len(images),
        "steps": steps,
        "psnr_db": decibels(fit.mse),
        "images_per_s": len(images) / seconds,
        "multiply_adds": multiply_adds,
        "share_of_989_tflops": 2 * multiply_adds / seconds / 989e12,
    }


if __name__ == "__main__":
    main()
