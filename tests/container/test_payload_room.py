import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inrformat.container.fields import FieldType
from inrformat.container.layout import PAGE_ALIGNMENT
from inrformat.container.metadata import FieldSpec, Metadata
from inrformat.container.packing import compress, pack_map
from inrformat.container.writer import InrdWriter, payload_budget_bytes


def noise(count, seed):
    return np.random.default_rng(seed).bytes(count)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.sampled_from([1, 40, 300, 1500, 3300, 3900, 9000]), max_size=6),
    codebook_bytes=st.sampled_from([10, 1200, 3500, 6000]),
    pages=st.integers(6, 20),
    odd=st.integers(0, PAGE_ALIGNMENT - 1),
)
def test_a_payload_of_the_room_makes_a_file_of_at_most_the_size(
    tmp_path_factory, sizes, codebook_bytes, pages, odd
):  # fmt: skip
    target_bytes = pages * PAGE_ALIGNMENT + odd
    columns = [[noise(size, n)] for n, size in enumerate(sizes)]
    codebook = {"x": noise(codebook_bytes, 99)}
    fields = tuple(FieldSpec(str(n), FieldType.BYTES) for n in range(len(sizes)))
    room = payload_budget_bytes(
        target_bytes,
        index_bytes=160,
        cold_bytes=[len(compress(d)) for d in (Metadata(fields=fields).to_bytes(), pack_map(codebook))],
        field_bytes=[len(compress(bytes(4) + c[0])) + 4 for c in columns],
    )
    if room < 1:
        return
    path = tmp_path_factory.mktemp("room") / "x"
    with InrdWriter(path) as writer:
        writer.add(noise(room, 7), height=1, width=1, network=0, psnr_db=30)
        for spec, values in zip(fields, columns, strict=True):
            writer.add_field(spec.name, spec.type, values)
        writer.finish(codebook=codebook, metadata=Metadata())
    size = path.stat().st_size
    assert size <= target_bytes
    assert size > target_bytes - 2 * PAGE_ALIGNMENT - sum(sizes) - codebook_bytes


@pytest.mark.parametrize("target_bytes", [0, 5000])
def test_no_room_is_not_above_zero(target_bytes):
    assert payload_budget_bytes(target_bytes, index_bytes=160, cold_bytes=[10, 10], field_bytes=[9000]) <= 0
