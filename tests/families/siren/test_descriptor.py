import math
from typing import Any

import numpy as np
import pytest
import torch

from inrformat.coding.rans import RansDecoder
from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.container.index import RecordIndex
from inrformat.container.limits import Limits
from inrformat.errors import InvalidFileError, LimitError, UnsupportedVersionError
from inrformat.families.codebook import Codebook
from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.record import read_records, write_records
from inrformat.families.siren.reference import dequantize, evaluate, render

WIDTHS = (2, 5, 4, 3)


@pytest.fixture
def network():
    return Siren(WIDTHS, 30.0, tuple(0.01 * (g + 1) for g in range(6)), (0, 1, 0, 1, 0, 1), 2)


def plain_evaluation(parameters, x, y):
    """The formula of the specification for one network and one point, in float64 Python."""
    h, at = [x, y], 0
    for layer, (inputs, outputs) in enumerate(zip(WIDTHS, WIDTHS[1:], strict=False)):
        w = parameters[at : at + inputs * outputs].reshape(outputs, inputs)
        b = parameters[at + inputs * outputs : at + (inputs + 1) * outputs]
        at += (inputs + 1) * outputs
        h = [sum(w[o, i] * h[i] for i in range(inputs)) + b[o] for o in range(outputs)]
        if layer < len(WIDTHS) - 2:
            h = [math.sin(30 * v) for v in h]
    return [0.5 + 0.5 * v for v in h]


def test_evaluation_follows_the_specification(network):
    parameters = np.random.default_rng(0).uniform(-0.3, 0.3, (2, network.parameter_count))
    xy = torch.tensor([[-0.9, 0.2], [0.5, 0.75], [0.0, -1.0]], dtype=torch.float64)
    colours = evaluate(network, torch.from_numpy(parameters), xy)
    expected = [[plain_evaluation(p, *point) for point in xy.tolist()] for p in parameters]
    assert torch.allclose(colours, torch.tensor(expected, dtype=torch.float64), atol=1e-12)


def test_render_puts_pixel_centres_where_the_specification_says(network):
    parameters = np.random.default_rng(0).uniform(-0.3, 0.3, (1, network.parameter_count)).astype(np.float32)
    y, x = torch.arange(4) + 0.5, torch.arange(6) + 0.5
    image = render(network, torch.from_numpy(parameters), native=(4, 6), y=y, x=x)
    row, column = 3, 1
    expected = plain_evaluation(parameters[0].astype(float), (2 * column + 1) / 6 - 1, (2 * row + 1) / 4 - 1)
    assert image.shape == (1, 3, 4, 6)
    assert torch.allclose(image[0, :, row, column], torch.tensor(expected, dtype=torch.float32), atol=1e-4)


def test_records_give_back_scales_and_symbols(network):
    rng = np.random.default_rng(0)
    symbols, scales = rng.integers(-300, 300, (5, network.parameter_count)), rng.integers(-24, 8, 5)
    tables = TableSet.of([SymbolTable.from_values(v) for v in (symbols, symbols, scales)])
    records = write_records(network, symbols, scales, tables)
    again = read_records(network, RansDecoder(records, tables, lanes=network.lanes(height=1, width=1)))
    assert (again[0] == scales).all()
    assert (again[1] == symbols).all()


def test_dequantization_multiplies_step_and_scale_and_adds_the_base(network):
    base = np.linspace(-1, 1, network.parameter_count).astype(np.float32)
    with_base = Siren(WIDTHS, 30.0, network.steps, network.tables, 2, base)
    symbols = torch.arange(network.parameter_count, dtype=torch.int32)[None]
    values = dequantize(with_base, torch.tensor([-8], dtype=torch.int32), symbols)
    expected = base + symbols.numpy() * np.repeat(network.steps, network.group_sizes) / 2
    assert values.dtype == torch.float32
    assert np.allclose(values.numpy(), expected, rtol=1e-6, atol=1e-6)


def test_a_descriptor_survives_storage(network):
    base = np.arange(network.parameter_count, dtype=np.float32)
    with_base = Siren(WIDTHS, 30.0, network.steps, network.tables, 2, base)
    for original in (network, with_base):
        again = Siren.from_map(original.to_map(), table_count=3)
        assert again.to_map() == original.to_map()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"widths": [2, 0, 3]}, "SIREN-WIDTHS"),
        ({"widths": [3, 5, 4, 3]}, "SIREN-WIDTHS"),
        ({"widths": [2, 5000, 4, 3]}, "SIREN-WIDTHS"),
        ({"widths": [2]}, "SIREN-WIDTHS"),
        ({"steps": b"\0\0\0\0" * 6}, "SIREN-STEPS"),
        ({"steps": np.full(6, np.nan, "<f4").tobytes()}, "SIREN-STEPS"),
        ({"steps": b"\0"}, "SIREN-STEPS"),
        ({"omega": math.inf}, "SIREN-STEPS"),
        ({"omega": "30"}, "SIREN-FORM"),
        ({"tables": [0, 1, 0, 1, 0, 3]}, "SIREN-TABLES"),
        ({"tables": [0, 1]}, "SIREN-TABLES"),
        ({"scale_table": -1}, "SIREN-TABLES"),
        ({"base": b"\0" * 8}, "SIREN-BASE"),
        ({"activation": "relu"}, "SIREN-FORM"),
    ],
)
def test_a_malformed_descriptor_is_refused_by_name(network, change, rule):
    with pytest.raises(InvalidFileError) as caught:
        Siren.from_map({**network.to_map(), **change}, table_count=3)
    assert caught.value.rule == rule


def codebook_map(network):
    return {"networks": [network.to_map()], "tables": [SymbolTable(0, 0, np.array([1023, 1])).to_map()] * 3}


def index_of(*, network=0, height=32, width=32):
    one = np.ones(1, np.int64)
    return RecordIndex(one, one, height * one, width * one, network * one, one.astype(np.uint32), None)


def test_a_codebook_refuses_what_it_does_not_know_or_what_is_too_much(network):
    stored = codebook_map(network)
    codebook = Codebook.from_map({**stored, "later_addition": 1})
    codebook.check(index_of())
    with pytest.raises(InvalidFileError, match="network 1 of 1"):
        codebook.check(index_of(network=1))
    with pytest.raises(LimitError, match="multiply-adds"):
        codebook.check(index_of(), limits=Limits(max_multiply_adds=1000))
    with pytest.raises(LimitError, match="parameters"):
        Codebook.from_map(stored, limits=Limits(max_parameters=10))
    with pytest.raises(UnsupportedVersionError, match="'splines'"):
        Codebook.from_map({**stored, "networks": [{"family": "splines"}]})
    cases: list[dict[str, Any]] = [{}, {"tables": [], "networks": [1]}, {"tables": [], "networks": {}}]
    for broken in cases:
        with pytest.raises(InvalidFileError):
            Codebook.from_map(broken)
