import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import stats

from inrformat.data.randomness import CounterGenerator, batch_transform_seeds, permutation, philox

CPU = torch.device("cpu")


def generator(samples, *, seed=7, epoch=0):
    return CounterGenerator(torch.as_tensor(samples), seed=seed, epoch=epoch)


# Of Random123's kat_vectors, philox4x32 10.
@pytest.mark.parametrize(
    "counter,key,expected",
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_the_generator_gives_the_published_answers(counter, key, expected):
    a, b, c, d = (torch.tensor([int(w, 16)]) for w in counter.split())
    first, second = (int(w, 16) for w in key.split())
    assert [f"{int(w):08x}" for w in philox((a, b, c, d), (first, second))] == expected.split()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=20), st.integers(0, 2**62), st.integers(0, 10**6))
def test_a_samples_numbers_do_not_depend_on_its_batch(samples, seed, epoch):
    together = generator(samples, seed=seed, epoch=epoch)
    batch = together.words(5), together.integer(0, 100), together.words(90), together.field(30)
    for place, sample in enumerate(samples):
        alone = generator([sample], seed=seed, epoch=epoch)
        for drawn, expected in zip(
            (alone.words(5), alone.integer(0, 100), alone.words(90), alone.field(30)), batch, strict=True
        ):
            assert torch.equal(drawn[0], expected[place])


def test_how_many_numbers_are_taken_at_a_time_does_not_matter():
    whole = generator(range(6)).words(200)
    source = generator(range(6))
    assert torch.equal(torch.cat([source.words(n) for n in (1, 2, 50, 3, 144)], dim=1), whole)


def test_seed_epoch_and_sample_all_matter():
    base = generator(range(50)).words(4)
    others = [
        generator(range(50), seed=8),
        generator(range(50), epoch=1),
        generator(range(50, 100)),
        generator(range(50), seed=7 + (1 << 32)),
    ]
    for other in others:
        assert not (other.words(4) == base).any()


@pytest.mark.parametrize("draw", ["samples", "numbers"])
def test_uniform_numbers_are_uniform_and_independent(draw):
    source = generator(range(2000))
    values = source.uniforms(20).numpy()
    values = values if draw == "samples" else values.T
    assert stats.kstest(values.ravel(), "uniform").pvalue > 1e-3
    correlation = np.corrcoef(values[:, :-1].ravel(), values[:, 1:].ravel())[0, 1]
    assert abs(correlation) < 4 / np.sqrt(values[:, 1:].size)


def test_fields_are_uniform_and_differ_from_each_other():
    source = generator(range(4))
    first, second = source.field(5000), source.field(5000)
    assert stats.kstest(first.numpy().ravel(), "uniform").pvalue > 1e-3
    assert not torch.equal(first, second)


def test_integers_fill_their_range_evenly():
    values = generator(range(60000)).integer(3, 10).numpy()
    counts = np.bincount(values, minlength=10)
    assert counts[:3].sum() == 0 and len(counts) == 10
    assert stats.chisquare(counts[3:]).pvalue > 1e-3
    stops = torch.tensor([1, 5, 2**31 - 1])
    assert (generator(range(3)).integer(0, stops) < stops).all()


def test_normal_numbers_are_normal_and_chances_are_kept():
    source = generator(range(40000))
    assert stats.kstest(source.normal().numpy(), "norm").pvalue > 1e-3
    assert abs(float(source.chance(0.3).double().mean()) - 0.3) < 0.01
    assert not source.chance(0.0).any() and source.chance(1.0).all()


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_an_order_holds_every_number_once(count):
    order = permutation(count, seed=1, epoch=2, device=CPU)
    assert order.sort().values.tolist() == list(range(count))


def test_orders_differ_by_seed_and_epoch_and_look_random():
    one, two, three = (permutation(5000, seed=s, epoch=e, device=CPU) for s, e in ((1, 2), (1, 3), (2, 2)))
    assert not torch.equal(one, two) and not torch.equal(one, three)
    assert torch.equal(one, permutation(5000, seed=1, epoch=2, device=CPU))
    assert abs(stats.spearmanr(one.numpy(), np.arange(5000)).statistic) < 0.06


def test_tail_seeds_belong_to_the_sample():
    seeds = batch_transform_seeds(torch.arange(1000), seed=3, epoch=4, part=0)
    assert len(set(seeds)) == 1000 and all(0 <= s < 2**63 for s in seeds)
    assert batch_transform_seeds(torch.tensor([17]), seed=3, epoch=4, part=0) == [seeds[17]]
    assert batch_transform_seeds(torch.tensor([17]), seed=3, epoch=4, part=1) != [seeds[17]]


@pytest.mark.gpu
def test_every_device_draws_the_same_bits():
    here, there = generator(range(100)), CounterGenerator(torch.arange(100, device="cuda"), seed=7, epoch=0)
    assert torch.equal(here.words(50), there.words(50).cpu())
    assert torch.equal(here.field(500), there.field(500).cpu())
    there_order = permutation(10000, seed=1, epoch=2, device=torch.device("cuda"))
    assert torch.equal(permutation(10000, seed=1, epoch=2, device=CPU), there_order.cpu())
