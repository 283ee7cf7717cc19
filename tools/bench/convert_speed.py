"""How long a folder takes to become an .inrd file of `cells`: training of the codebook and encoding apart, all cores.

    python tools/bench/convert_speed.py ../shared/data/imagenette224/train --images 1000 --size 256

Times the whole conversion as the command line does it (reading and resizing the files included), then once more
encoding alone, from memory, and a fixed piece of numpy work that says how fast the machine was at the time.
Writes JSON to results/. Best run on an idle machine: the load average at the start is written beside the figures,
and the processor time, which other programs change little.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from inrformat.conversion.pixels.options import ReadOptions
from inrformat.conversion.plan import ConversionPlan, convert_with
from inrformat.conversion.reading import images_of
from inrformat.conversion.settings import Settings
from inrformat.conversion.sources.folder import scan_folder
from inrformat.conversion.sources.source import limited
from inrformat.encoding.corpus import Corpus
from inrformat.encoding.encoder import TrainedEncoder
from inrformat.families.cells.encoder.encoder import CellsEncoder
from inrformat.families.cells.encoder.options import CellsOptions
from inrformat.families.cells.encoder.trained import SizeTargetedEncoder, TrainedCellsEncoder

RESULTS = Path(__file__).parent / "results"
_ENCODED_IMAGES = 256


class _Timed(CellsEncoder):
    """An encoder that keeps what it trained, and notes the seconds it took."""

    trained: TrainedEncoder | None = None
    train_seconds = 0.0

    def train(self, corpus: Corpus) -> TrainedCellsEncoder | SizeTargetedEncoder:
        began = time.perf_counter()
        trained = self.trained = super().train(corpus)
        self.train_seconds = time.perf_counter() - began
        return trained


def machine_seconds() -> float:
    """Seconds for a fixed piece of work on one core."""
    block = np.random.default_rng(0).normal(size=(256, 256))
    began = time.perf_counter()
    for _ in range(200):
        np.linalg.qr(block)
    return time.perf_counter() - began


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--images", dest="count", type=int, default=1000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--quality", type=float, default=70)
    parser.add_argument("--name", default="convert_speed")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    source = limited(scan_folder(arguments.images), arguments.count)
    options = CellsOptions(quality=arguments.quality)
    # Compiled code is cached by then, as it is for every conversion but the first.
    CellsEncoder(options).train(Corpus.of(list(images_of(limited(source, 1), size=64))))
    encoder = _Timed(options)
    cpu = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        settings = Settings(reading=ReadOptions(size=arguments.size))
        summary = convert_with(encoder, ConversionPlan(source=source, settings=settings), Path(scratch) / "out.inrd")
    cpu = time.process_time() - cpu
    loaded = list(images_of(limited(source, _ENCODED_IMAGES), size=arguments.size))
    began = time.perf_counter()
    encode_cpu = time.process_time()
    if encoder.trained is not None:
        encoder.trained.encode(loaded)
    encoding, encode_cpu = time.perf_counter() - began, time.process_time() - encode_cpu
    report = {
        "images": summary.samples,
        "size": arguments.size,
        "quality": arguments.quality,
        "cores": os.cpu_count(),
        "load_average_before": load,
        "machine_seconds": machine_seconds(),
        "whole_seconds": summary.seconds,
        "whole_cpu_seconds": cpu,
        "train_seconds": encoder.train_seconds,
        "whole_images_per_second": summary.samples / summary.seconds,
        "encode_images_per_second": len(loaded) / encoding,
        "encode_images_per_cpu_second": len(loaded) / encode_cpu,
        "encode_megapixels_per_second": sum(i.shape[0] * i.shape[1] for i in loaded) / encoding / 1e6,
        "rate_bpp": summary.rate_bpp,
        "psnr_db": summary.mean_psnr_db,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{arguments.name}.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
