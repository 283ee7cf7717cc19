import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inrformat.data.order import OccurrenceCounter, RankShard, batch_count, occurrences_of, spans

COUNTS = st.integers(0, 60)


def seen(count, size, *, world, drop_last=False, even=False, position=0):
    """Positions each rank sees, and the batch lengths of each."""
    ranks = [
        list(spans(count, size, drop_last=drop_last, shard=RankShard(r, world, even), position=position))
        for r in range(world)
    ]
    return [[p for s in rank for p in range(s.start, s.stop)] for rank in ranks], [
        [s.stop - s.start for s in rank] for rank in ranks
    ]


@settings(max_examples=100, deadline=None)
@given(COUNTS, st.integers(1, 9), st.integers(1, 5))
def test_evaluation_sees_every_sample_exactly_once(count, size, world):
    positions, lengths = seen(count, size, world=world)
    assert sorted(p for rank in positions for p in rank) == list(range(count))
    assert max(map(len, lengths)) - min(map(len, lengths)) <= 1


@settings(max_examples=100, deadline=None)
@given(COUNTS, st.integers(1, 9), st.integers(1, 5), st.booleans())
def test_training_shares_are_even_and_leave_less_than_one_sample_a_rank(count, size, world, drop_last):
    positions, lengths = seen(count, size, world=world, drop_last=drop_last, even=True)
    assert all(rank == lengths[0] for rank in lengths)
    flat = sorted(p for rank in positions for p in rank)
    assert len(set(flat)) == len(flat)
    assert count - len(flat) < (size * world if drop_last else world)


@settings(max_examples=100, deadline=None)
@given(COUNTS, st.integers(1, 9), st.integers(1, 5), st.booleans(), st.booleans())
def test_the_count_is_the_number_of_batches(count, size, world, drop_last, even):
    for rank in range(world):
        shard = RankShard(rank, world, even)
        assert batch_count(count, size, drop_last=drop_last, shard=shard) == len(
            list(spans(count, size, drop_last=drop_last, shard=shard))
        )


@pytest.mark.parametrize("before,after", [((4, 2), (3, 3)), ((5, 1), (2, 4)), ((1, 3), (7, 1))])
def test_an_epoch_goes_on_with_another_batch_size_and_number_of_ranks(before, after):
    (size, world), (new_size, new_world) = before, after
    first = [list(spans(50, size, drop_last=False, shard=RankShard(r, world)))[:2] for r in range(world)]
    position = first[0][-1].after
    assert all(rank[-1].after == position for rank in first)
    done = {p for rank in first for s in rank for p in range(s.start, s.stop)}
    assert done == set(range(position))
    positions, _ = seen(50, new_size, world=new_world, position=position)
    assert sorted(p for rank in positions for p in rank) == list(range(position, 50))


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 7))
def test_occurrences_are_counted_alike_at_once_and_in_batches(numbers, size):
    array = np.array(numbers, np.int64)
    expected = [numbers[:k].count(n) for k, n in enumerate(numbers)]
    assert occurrences_of(array).tolist() == expected
    counter = OccurrenceCounter(6, RankShard())
    parts = [counter.take(array[k : k + size]) for k in range(0, len(array), size)]
    assert [n for part in parts for n in part.tolist()] == expected


def test_ranks_never_count_alike():
    told = [OccurrenceCounter(3, RankShard(rank, 2)).take(np.array([1, 1, 2])).tolist() for rank in range(2)]
    assert told == [[0, 2, 0], [1, 3, 1]]
