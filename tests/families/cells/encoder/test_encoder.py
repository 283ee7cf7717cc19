"""Images under a codebook that was learned from photographs."""

import dataclasses

import numpy as np
import pytest
import torch
from skimage import data as photographs

from inrformat.coding.tables import TableSet
from inrformat.decoding.dispatch import decode_images
from inrformat.decoding.records import DeviceRecords, join_records
from inrformat.encoding.corpus import Corpus
from inrformat.encoding.encoder import TrainedEncoder
from inrformat.encoding.record import EncodedRecord, psnr_db
from inrformat.errors import InvalidFileError, UsageError
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.encoder.encoder import CellsEncoder
from inrformat.families.cells.encoder.options import CellsOptions, step_of_quality
from inrformat.families.cells.record import read_record, write_record
from inrformat.families.codebook import Codebook

ASTRONAUT, COFFEE = photographs.astronaut(), photographs.coffee()


PARTS = dataclasses.replace(Corpus.of([ASTRONAUT[::2, ::2], COFFEE[::2, ::2]]), complete=False)
"""A sample of a larger set, for which no built-in codebook is considered."""


@pytest.fixture(scope="module")
def trained() -> TrainedEncoder:
    return CellsEncoder(CellsOptions(quality=66)).train(PARTS)


def joined(codebook: Codebook, record: EncodedRecord) -> DeviceRecords:
    shapes = np.array([(record.network, record.height, record.width)])
    return join_records([record.data], codebook, shapes=shapes, device=torch.device("cpu"))


def decode(codebook: Codebook, record: EncodedRecord) -> np.ndarray:
    return decode_images(joined(codebook, record), [0])[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 9), (33, 17), (64, 64), (65, 129), (200, 301)])
def test_any_size_round_trips_with_the_stated_psnr(trained: TrainedEncoder, shape: tuple[int, int]) -> None:
    image = COFFEE[60 : 60 + shape[0], 100 : 100 + shape[1]]
    record = trained.encode([image])[0]
    decoded = decode(trained.codebook, record)
    assert decoded.shape == image.shape
    assert psnr_db(decoded, image) == pytest.approx(record.psnr_db, abs=0.02)
    assert record.psnr_db > 30


def test_symbols_written_are_the_symbols_read(trained: TrainedEncoder) -> None:
    network = trained.codebook.networks[0]
    assert isinstance(network, Cells)
    record = trained.encode([COFFEE[:150, :210]])[0]
    symbols = read_record(network, record.data, trained.codebook.tables, height=150, width=210)
    assert write_record(network, symbols, trained.codebook.tables) == record.data


def test_descriptor_survives_its_map_and_records_decode_under_it(trained: TrainedEncoder) -> None:
    again = Codebook.from_map(trained.codebook.to_map())
    assert again.to_map() == trained.codebook.to_map()
    record = trained.encode([ASTRONAUT[:96, :96]])[0]
    np.testing.assert_array_equal(decode(again, record), decode(trained.codebook, record))


def test_grey_photographs_spend_almost_nothing_on_colour() -> None:
    grey = np.repeat(photographs.camera()[::2, ::2, None], 3, axis=2)
    trained = CellsEncoder(CellsOptions(quality=66)).train(Corpus.of([grey]))
    (record,) = trained.encode([grey])
    options = CellsOptions(quality=66 + 10 * np.log2(3) / 2)  # grey is sqrt(3) times as long in RGB
    (single,) = CellsEncoder(options).train(Corpus.of([grey[:, :, :1]])).encode([grey[:, :, :1]])
    assert len(record.data) < 1.1 * len(single.data)
    assert psnr_db(decode(trained.codebook, record), grey) == pytest.approx(record.psnr_db, abs=0.02)


def test_floor_and_mean_targets_are_met() -> None:
    images = [ASTRONAUT[:128, :128], ASTRONAUT[100:228, 100:228], COFFEE[:128, :192], COFFEE[200:328, 200:392]]
    floor = CellsEncoder(CellsOptions(psnr_floor_db=36)).train(Corpus.of(images))
    levels = [r.psnr_db for r in floor.encode(images)]
    assert min(levels) >= 36 and max(levels) < 38
    mean = CellsEncoder(CellsOptions(psnr_db=36)).train(Corpus.of(images))
    assert np.mean([r.psnr_db for r in mean.encode(images)]) == pytest.approx(36, abs=0.15)


def test_same_input_gives_the_same_bytes() -> None:
    images = [ASTRONAUT[:128, :128], COFFEE[:128, :192]]
    runs = []
    for threads in (1, 2):
        trained = CellsEncoder(CellsOptions(threads=threads)).train(Corpus.of(images))
        runs.append((trained.codebook.to_map(), [r.data for r in trained.encode(images)]))
    assert runs[0] == runs[1]


def test_progress_counts_every_image_once_and_shows_signs_of_life_before() -> None:
    images = [ASTRONAUT[:64, :64], COFFEE[:64, :96], COFFEE[64:128, :96]]
    for options in (CellsOptions(), CellsOptions(psnr_db=36), CellsOptions(psnr_floor_db=36)):
        calls: list[float] = []
        trained = CellsEncoder(options, on_progress=calls.append).train(Corpus.of(images))
        assert calls and not any(calls)
        trained.encode(images)
        assert sum(calls) == len(images)


def test_a_file_size_cannot_be_asked_for_where_there_is_no_file() -> None:
    with pytest.raises(NotImplementedError):
        CellsEncoder(CellsOptions(target_bytes=1000)).train(Corpus.of([ASTRONAUT[:64, :64]]))


def test_flat_image_is_a_small_fraction_of_a_photograph(trained: TrainedEncoder) -> None:
    flat, photo = trained.encode([np.full((256, 256, 3), 90, np.uint8), COFFEE[:256, :256]])
    assert 8 * len(flat.data) < len(photo.data)


def test_larger_lattice_is_closer_to_the_true_picture_than_bilinear(trained: TrainedEncoder) -> None:
    truth = ASTRONAUT[:384, :384]
    small = torch.nn.functional.interpolate(
        torch.from_numpy(truth.astype(np.float32)).permute(2, 0, 1)[None],
        scale_factor=0.5,
        mode="bicubic",
        antialias=True,
    )
    native = small.clamp(0, 255).round()[0].permute(1, 2, 0).numpy().astype(np.uint8)
    record = trained.encode([native])[0]
    ours = decode_images(joined(trained.codebook, record), [0], size=384)[0].float() / 255
    plain = torch.from_numpy(decode(trained.codebook, record).astype(np.float32)).permute(2, 0, 1)[None] / 255
    plain = torch.nn.functional.interpolate(plain, size=(384, 384), mode="bilinear")
    target = torch.from_numpy(truth.astype(np.float32) / 255).permute(2, 0, 1)[None]
    assert ((ours - target) ** 2).mean() < ((plain - target) ** 2).mean()


def test_quality_halves_the_step_every_ten() -> None:
    assert step_of_quality(60) == pytest.approx(2 * step_of_quality(70))
    with pytest.raises(UsageError):
        CellsOptions(quality=101)
    with pytest.raises(UsageError):
        CellsOptions(psnr_db=30, rate_bpp=1)


def test_damaged_records_raise_and_never_crash(trained: TrainedEncoder) -> None:
    network = trained.codebook.networks[0]
    assert isinstance(network, Cells)
    data = trained.encode([COFFEE[:96, :96]])[0].data
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(60):
        hurt = bytearray(data)
        hurt[rng.integers(len(hurt))] ^= 1 << int(rng.integers(8))
        try:
            read_record(network, bytes(hurt), trained.codebook.tables, height=96, width=96)
        except InvalidFileError:
            refused += 1
    assert refused > 50


def test_malformed_descriptors_are_refused(trained: TrainedEncoder) -> None:
    stored = trained.codebook.networks[0].to_map()
    count = len(trained.codebook.tables.tables)
    for change in (
        {"head": 1},
        {"step": 0.0},
        {"colour": b"\0" * 36},
        {"levels": stored["levels"][:3]},
        {"first_table": 9},
        {"root_tables": [0, "x", 1]},
        {"unknown": 1},
        {"lane_pixels": 0},
    ):
        with pytest.raises(InvalidFileError):
            Cells.from_map({**stored, **change}, table_count=count)
    level = {**stored["levels"][0], "kept": b"\xff\xff" * (len(stored["levels"][0]["kept"]) // 2)}
    with pytest.raises(InvalidFileError):
        Cells.from_map({**stored, "levels": [level, *stored["levels"][1:]]}, table_count=count)
    assert isinstance(trained.codebook.tables, TableSet)
