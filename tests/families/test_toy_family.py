"""A third family, made of what ``families/family.py`` asks for and nothing else: `mean`, one colour for each image."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from inrformat import CellsOptions, InrdDataset, InrdLoader, PixelFormat, convert
from inrformat.cli.main import main
from inrformat.coding.rans_numba import encode_record
from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.container.rules import error_rule
from inrformat.conversion.sources.folder import scan_folder
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.dispatch import decode, decode_images
from inrformat.decoding.records import DeviceRecords, join_records
from inrformat.encoding.encoder import EncoderModule, FlagsModule
from inrformat.encoding.record import EncodedRecord, psnr_db
from inrformat.errors import DeviceError, InvalidFileError
from inrformat.families import registry
from inrformat.families.codebook import Codebook
from inrformat.families.family import Family

CHANNELS = 3


@dataclass(frozen=True)
class Mean:
    """Descriptor: which table codes the colour."""

    family: ClassVar[str] = "mean"
    table: int = 0
    channels: ClassVar[int] = CHANNELS
    parameter_count: ClassVar[int] = CHANNELS

    def to_map(self) -> dict[str, Any]:
        return {"family": self.family, "table": self.table}

    def behind_tables(self, count: int) -> "Mean":
        return Mean(self.table + count)

    def multiply_adds(self, *, height: int, width: int) -> int:
        return 0

    def lanes(self, *, height: int, width: int) -> int:
        return 1


def parse(stored: dict[str, Any], *, table_count: int) -> Mean:
    match stored:
        case {"family": "mean", "table": int(table)} if len(stored) == 2 and 0 <= table < table_count:
            return Mean(table)
    raise InvalidFileError("MEAN-FORM", f"mean descriptor: {stored}")


# -- reference


def read_weights(network: Mean, decoder: Any, *, height: int, width: int) -> torch.Tensor:
    colours = decoder.decode_body(np.full(CHANNELS, network.table))
    weights: torch.Tensor = colours.float() / 255
    return weights


def render(network: Mean, weights: torch.Tensor, *, native: Any, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return weights[:, :, None, None].expand(-1, -1, len(y), len(x))


def sample(network: Mean, weights: torch.Tensor, xy: torch.Tensor, *, native: Any) -> torch.Tensor:
    return weights[:, :, None].expand(-1, -1, xy.shape[1])


# -- encoder


@dataclass(frozen=True)
class MeanOptions:
    family: ClassVar[str] = "mean"
    brighter: int = 0


@dataclass(frozen=True)
class TrainedMeanEncoder:
    options: MeanOptions
    codebook: Codebook

    def learned(self) -> dict[str, Any]:
        return {"codebook": self.codebook.to_map()}

    def progress(self) -> dict[str, Any]:
        return {}

    def encode(self, images: Sequence[Any], *, following: int = 0) -> list[EncodedRecord]:
        return [self._record(image) for image in images]

    def _record(self, image: Any) -> EncodedRecord:
        colour = mean_colour(image, self.options)
        ids, ends = np.zeros(CHANNELS, np.int32), np.array([CHANNELS])
        data = encode_record(colour.astype(np.int32), ids, ends, self.codebook.tables, lanes=1)
        decoded = np.broadcast_to(colour.astype(np.uint8), image.shape)
        height, width = image.shape[:2]
        return EncodedRecord(data, height, width, network=0, psnr_db=psnr_db(decoded, image))


@dataclass(frozen=True)
class MeanEncoder:
    options: MeanOptions

    def options_map(self) -> dict[str, Any]:
        return {"network": "mean", "brighter": self.options.brighter}

    def restore(self, learned: Any, progress: Any) -> TrainedMeanEncoder:
        return TrainedMeanEncoder(self.options, Codebook.from_map(learned["codebook"]))

    def train(self, corpus: Any) -> TrainedMeanEncoder:
        colours = np.concatenate([mean_colour(image, self.options) for image in corpus.sample])
        table = SymbolTable.from_values(colours.astype(np.int64), complete=False)
        return TrainedMeanEncoder(self.options, Codebook(TableSet.of([table]), (Mean(),)))


def mean_colour(image: Any, options: MeanOptions) -> Any:
    return np.clip(np.rint(image.mean((0, 1))) + options.brighter, 0, 255)


def make_encoder(options: Any, *, device: torch.device, on_progress: Any) -> MeanEncoder:
    return MeanEncoder(options or MeanOptions())


def add_flags(group: Any) -> list[Any]:
    return [group.add_argument("--brighter", type=int, metavar="N", help="levels to add")]


def read_options(arguments: Any) -> MeanOptions:
    return MeanOptions(arguments.brighter or 0)


def part(**names: Any) -> Any:
    """Loads what a module of these names would hold."""
    return lambda: SimpleNamespace(**names)


FAMILY = Family(
    name="mean",
    summary="one colour for each image",
    rules=(error_rule("MEAN-FORM", "a mean descriptor has a table"),),
    parse=lambda: parse,
    describe=lambda: lambda stored: f"mean, table {stored['table']}",
    reference=part(read_weights=read_weights, render=render, sample=sample),
    encoder=part(make_encoder=make_encoder),
    options=lambda: MeanOptions,
    flags=part(add_flags=add_flags, read_options=read_options),
)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The family, for the length of a test."""
    monkeypatch.setattr(registry, "_loaded", dict(registry._loaded))
    registry.register(FAMILY)


@pytest.fixture
def mean_file(photo_folder, tmp_path):
    path = tmp_path / "mean.inrd"
    assert main(["convert", str(photo_folder), str(path), "--network", "mean", "--brighter", "3"]) == 0
    return path


def expected_colours(folder):
    from PIL import Image

    images = [np.asarray(Image.open(folder / name)) for name in scan_folder(folder).names]
    return torch.tensor(np.stack([mean_colour(image, MeanOptions(3)) for image in images]), dtype=torch.uint8)


def test_it_converts_from_the_command_line_validates_and_is_described(mean_file, capsys):
    capsys.readouterr()
    assert main(["validate", str(mean_file)]) == 0
    assert "valid: 12 records" in capsys.readouterr().out
    assert main(["info", str(mean_file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["networks"] == ["mean, table 0"]
    assert told["options"] == {"brighter": 3, "network": "mean", "size": None}


def test_its_flags_are_refused_with_another_family(photo_folder, tmp_path, capsys):
    assert main(["convert", str(photo_folder), str(tmp_path / "x"), "--brighter", "3"]) == 2
    assert "--brighter does not go with --network cells" in capsys.readouterr().err
    assert main(["convert", str(photo_folder), str(tmp_path / "x"), "--network", "mean", "--quality", "3"]) == 2
    assert "--quality does not go with --network mean" in capsys.readouterr().err


def test_its_rules_and_its_descriptors_faults_are_reported(mean_file):
    assert registry.all_rules()["MEAN-FORM"].demand == "a mean descriptor has a table"
    with pytest.raises(InvalidFileError, match="MEAN-FORM"):
        Codebook.from_map({"tables": [], "networks": [{"family": "mean", "table": 0}]})


@pytest.mark.parametrize("view", ["aligned", "turned"])
def test_it_decodes_through_the_reference_whatever_the_backend(mean_file, photo_folder, view):
    dataset = InrdDataset(mean_file).to("cpu")
    canvas = Canvas.of([32] * 12, [32] * 12).resize(10, 14)
    geometry = (canvas if view == "aligned" else canvas.rotate(torch.full((12,), 20.0))).geometry()
    rows, form = torch.arange(12), PixelFormat(torch.float32)
    pixels = decode(dataset.resident, rows, geometry, form)
    assert torch.equal(pixels, decode(dataset.resident, rows, geometry, form, backend="reference"))
    assert torch.equal((255 * pixels[:, :, 5, 7]).round().byte(), expected_colours(photo_folder))
    with pytest.raises(DeviceError, match="'mean' has no CPU decoder"):
        decode(dataset.resident, rows, geometry, form, backend="cpu")


def test_triton_refuses_it_before_anything_is_launched(mean_file):
    plan = pytest.importorskip("inrformat.decoding.triton.plan", reason="Triton is not installed here")
    with pytest.raises(DeviceError, match="mean"):
        plan.plan_of(InrdDataset(mean_file).to("cpu").resident)


def mixed_with_cells(mean_file, photo_folder, tmp_path) -> DeviceRecords:
    """The first image of each of two files in one codebook: tables of cells follow that of `mean`."""
    convert(photo_folder, tmp_path / "cells.inrd", CellsOptions(quality=60))
    one, other = InrdDataset(mean_file), InrdDataset(tmp_path / "cells.inrd")
    tables = [*other.codebook.tables.tables, *one.codebook.tables.tables]
    networks = (Mean(len(tables) - 1), *other.codebook.networks)
    number = 1 + int(other.reader.index.networks[0])
    shapes = np.array([[0, 32, 32], [number, 32, 32]], np.int64)
    records = [one.reader.record(0), other.reader.record(0)]
    codebook = Codebook(TableSet.of(tables), networks)
    return join_records(records, codebook, shapes=shapes, device=torch.device("cpu"))


def test_in_one_batch_with_another_family_both_are_decoded(mean_file, photo_folder, tmp_path):
    records = mixed_with_cells(mean_file, photo_folder, tmp_path)
    flat, cells = decode_images(records, [0, 1])
    assert torch.equal(flat[:, 3, 4], expected_colours(photo_folder)[0])
    assert torch.equal(cells, decode_images(records, [1], backend="reference")[0])
    assert cells.float().std() > 10


def test_it_trains_through_the_data_set_and_the_loader(mean_file, photo_folder):
    dataset = InrdDataset(mean_file)
    image, label = dataset[7]
    assert (image[:, 0, 0] == expected_colours(photo_folder)[7]).all() and label == 1
    augment = v2.Compose([v2.RandomResizedCrop(16), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)])
    loader = InrdLoader(mean_file, 4, shuffle=True, transform=augment, device="cpu")
    network = torch.nn.Linear(CHANNELS, 2)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.3)
    losses = []
    for _ in range(30):
        for images, labels in loader:
            loss = torch.nn.functional.cross_entropy(network(images.mean((2, 3))), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:2])


def test_parts_of_every_family_offer_what_shared_code_asks_for():
    from inrformat.decoding.cpu.backend import CpuBackend
    from inrformat.decoding.reference import ReferenceBackend

    for name in registry.family_names():
        family = registry.family_named(name)
        parts = {
            ReferenceBackend: family.reference,
            EncoderModule: family.encoder,
            FlagsModule: family.flags,
            CpuBackend: family.cpu,
        }
        for protocol, load in parts.items():
            wanted = [n for n in (*vars(protocol), *protocol.__annotations__) if not n.startswith("_")]
            assert wanted
            assert load is None or all(hasattr(load(), n) for n in wanted), (name, protocol.__name__)


def test_a_name_cannot_be_taken_twice():
    from inrformat.errors import UsageError

    with pytest.raises(UsageError, match="mean"):
        registry.register(Family(**{f: getattr(FAMILY, f) for f in FAMILY.__slots__}))
