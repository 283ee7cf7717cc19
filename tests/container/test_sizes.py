"""What a file takes and leaves, foretold and measured."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inrformat.container.fields import FieldType
from inrformat.container.layout import PAGE_ALIGNMENT, SectionKind
from inrformat.container.metadata import FieldSpec, Metadata
from inrformat.container.packing import compress, pack_map
from inrformat.container.reader import InrdReader
from inrformat.container.sizes import (
    Zone,
    index_bytes_at_most,
    payload_and_codebook_bytes,
    payload_budget_bytes,
    stored_record_bytes,
    zones_of,
)
from inrformat.container.writer import InrdWriter


def noise(count, seed):
    return np.random.default_rng(seed).bytes(count)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.sampled_from([1, 40, 300, 1500, 3300, 3900, 9000]), max_size=6),
    codebook_bytes=st.sampled_from([10, 1200, 3500, 6000]),
    pages=st.integers(6, 20),
    odd=st.integers(0, PAGE_ALIGNMENT - 1),
)
def test_a_payload_of_the_budget_makes_a_file_of_at_most_the_size(tmp_path_factory, sizes, codebook_bytes, pages, odd):
    target_bytes = pages * PAGE_ALIGNMENT + odd
    columns = [[noise(size, n)] for n, size in enumerate(sizes)]
    codebook = {"x": noise(codebook_bytes, 99)}
    fields = tuple(FieldSpec(str(n), FieldType.BYTES) for n in range(len(sizes)))
    budget = payload_budget_bytes(
        target_bytes,
        index_bytes=160,
        cold_bytes=[len(compress(d)) for d in (Metadata(fields=fields).to_bytes(), pack_map(codebook))],
        field_bytes=[len(compress(bytes(4) + c[0])) + 4 for c in columns],
    )
    if budget < 1:
        return
    path = tmp_path_factory.mktemp("budget") / "x"
    with InrdWriter(path) as writer:
        writer.add(noise(budget, 7), height=1, width=1, network=0, psnr_db=30)
        for spec, values in zip(fields, columns, strict=True):
            writer.add_field(spec.name, spec.type, values)
        writer.finish(codebook=codebook, metadata=Metadata())
    size = path.stat().st_size
    assert size <= target_bytes
    assert size > target_bytes - 2 * PAGE_ALIGNMENT - sum(sizes) - codebook_bytes


@pytest.mark.parametrize("target_bytes", [0, 5000])
def test_no_room_is_not_above_zero(target_bytes):
    assert payload_budget_bytes(target_bytes, index_bytes=160, cold_bytes=[10, 10], field_bytes=[9000]) <= 0


def test_fields_keep_their_order_and_metadata_and_codebook_go_where_there_is_room():
    zones = zones_of([900, 300], [500, 10, 2000, 10], head_bytes=950, gap_bytes=600)
    assert zones == [Zone.HEAD_BLOCK, Zone.GAP, Zone.BEHIND, Zone.BEHIND, Zone.BEHIND, Zone.BEHIND]
    assert zones_of([900, 300], [30, 200, 20], head_bytes=950, gap_bytes=550) == [
        Zone.HEAD_BLOCK,
        Zone.GAP,
        Zone.HEAD_BLOCK,
        Zone.GAP,
        Zone.GAP,
    ]


@pytest.mark.parametrize("alignment", [4, 16])
def test_records_are_stored_with_the_padding_behind_them(tmp_path, alignment):
    lengths = [1, 3, 4, 15, 16, 17]
    with InrdWriter(tmp_path / "x", record_alignment=alignment) as writer:
        for length in lengths:
            writer.add(bytes(length), height=1, width=1, network=0, psnr_db=30)
        writer.finish(codebook={}, metadata=Metadata())
    with InrdReader(tmp_path / "x") as reader:
        payload = reader.header.section(SectionKind.PAYLOAD)
    assert payload.stored_bytes == sum(stored_record_bytes(length, alignment=alignment) for length in lengths)


@pytest.mark.parametrize("count", [1, 7, 300])
@pytest.mark.parametrize("height_step,width_step", [(0, 0), (1, 0), (3, 5)])
def test_an_index_is_no_larger_than_foretold(tmp_path, count, height_step, width_step):
    heights, widths = (40 + step * np.arange(count) % 100 for step in (height_step, width_step))
    lengths = np.random.default_rng(0).integers(1, 70_000, count)
    with InrdWriter(tmp_path / "x") as writer:
        for n, (length, height, width) in enumerate(zip(lengths, heights, widths, strict=True)):
            data = noise(int(length), n)
            writer.add(data, height=int(height), width=int(width), network=0, psnr_db=30 + n % 17)
        writer.finish(codebook={}, metadata=Metadata())
    with InrdReader(tmp_path / "x") as reader:
        index = reader.header.section(SectionKind.INDEX)
    assert index.stored_bytes <= index_bytes_at_most(heights, widths, longest_record_bytes=70_000)


def test_a_codebook_costs_nothing_where_the_header_block_or_the_gap_before_the_index_has_room():
    assert payload_and_codebook_bytes(PAGE_ALIGNMENT, 3500) == PAGE_ALIGNMENT
    assert payload_and_codebook_bytes(PAGE_ALIGNMENT, 3600) == PAGE_ALIGNMENT + 3600
    assert payload_and_codebook_bytes(PAGE_ALIGNMENT + 4, 3600) == 2 * PAGE_ALIGNMENT
    assert payload_and_codebook_bytes(4, 4096) == PAGE_ALIGNMENT + 4096
