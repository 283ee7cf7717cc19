"""The SIREN encoder: fit, prune, quantize, entropy-code, and measure what the decoder will give back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.decoding.dispatch import decode_images
from inrformat.decoding.records import join_records
from inrformat.encoding.corpus import Corpus
from inrformat.encoding.record import EncodedRecord, Image, Outcome, psnr_db
from inrformat.families.codebook import Codebook
from inrformat.families.family import Network
from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.encoder.engine import AdamConfig, Fit, Shape, Start, engine_for
from inrformat.families.siren.encoder.fit import fit_from
from inrformat.families.siren.encoder.initialization import initial_parameters, learn_base
from inrformat.families.siren.encoder.options import Pruning, SirenOptions
from inrformat.families.siren.encoder.prune import prune, prune_within
from inrformat.families.siren.encoder.pruning_criteria import Rules, prune_where_better, remeasured
from inrformat.families.siren.encoder.quantize import QUANTIZATION_FLOOR_MSE, Quantized, group_steps, range_steps
from inrformat.families.siren.encoder.rate_control import (
    Context,
    cost_bytes,
    for_bytes,
    for_drop,
    for_errors,
    gain_db,
    part_of,
    scale_for_bytes,
    target_mse,
)
from inrformat.families.siren.encoder.sensitivity import weight_energies
from inrformat.families.siren.record import write_records

__all__ = ["SirenEncoder", "SirenOptions"]

_OMEGA = 30.0
# Measured at 28 dB, 32 px, codebook counted (siren_encode_cifar.json): with 8 images the base breaks even, with 12 it
# saves 5 % of the bytes, with 24 a fifth.
_BASE_FROM_IMAGES = 12
# A better fit rounded coarsely takes fewer bytes than a fit stopped at the target and rounded finely.
_FIT_BEYOND_DB = 2.0
# Where points between pixels pay (lattice.py), fine-tuning included, which would else undo some of it; elsewhere they
# cost 0.1 to 0.4 dB at pixel centres.
_SHALLOW, _LONG = 5, 1500
_TRIAL_IMAGES = 24
# Pruned networks need tables of their own and take nearly three times as long to encode.
_WORTHWHILE = 0.02
_BYTES_PER_TOKEN = 0.75
_DENSE, _PRUNED = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class _Coded:
    """A network ready to be written: its descriptor's number, scale, symbols ``(P,)``, and how its fit went."""

    network: int
    scale: int
    symbols: NDArray[np.int32]
    steps: int
    diverged: bool
    saved_bytes: int = 0
    gain_db: float = 0.0


class SirenEncoder:
    """Encodes images as records of one ``Siren`` shape, with one descriptor each for dense and for pruned networks."""

    def __init__(
        self,
        options: SirenOptions,
        *,
        device: torch.device,
        progress: Callable[[float], None] = lambda _images: None,
    ) -> None:
        """``progress`` is called with the images' worth of work done since its last call."""
        self.options = options
        self._device = device
        self._progress = progress
        self._counting = False
        self._engine = engine_for(device, progress=self._count)
        self._known: dict[bytes, _Coded] = {}
        self.pruning_pays = options.pruning in (Pruning.RATIO, Pruning.DYNAMIC)

    def options_map(self) -> dict[str, Any]:
        """What the encoder was asked for: plain types for the metadata."""
        asked = asdict(self.options)
        return {"network": Siren.family, **asked, "pruning": str(self.options.pruning)}

    @property
    def codebook(self) -> Codebook:
        return self._codebook

    def train(self, corpus: Corpus) -> SirenEncoder:
        """Learn from a corpus."""
        self._train(corpus.sample, complete=corpus.complete)
        return self

    def _train(self, sample: Sequence[Image], *, complete: bool) -> Codebook:
        """Choose the shape, learn the base, fit the sample, and learn steps and symbol tables from it."""
        options = self.options
        layers, width = options.hidden or _shape_for(sample)
        self._shape = Shape((2, *[width] * layers, 3), _OMEGA)
        self._tuning = self._tuning_for(layers)
        fine = options.fine_tune_steps if options.fine_tune_steps is not None else self._tuning.steps // 6
        self._fine_tuning = replace(
            self._tuning, steps=fine, learning_rate=self._tuning.learning_rate * 0.15, pixels_per_step=4096
        )
        self._set_origin(sample)
        fitted = self._fitted(sample)
        energies = weight_energies(self._shape, self._origin + fitted.differences)
        self._network = self._allocate(energies, fitted)
        context = self._context(sample, fitted.differences, fitted.mse, energies)
        dense = for_drop(context, max_drop_db=options.max_drop_db)
        if options.bytes_per_image is not None:
            common = scale_for_bytes(context, budget_bytes=options.bytes_per_image)
            dense = context.quantize(context.all_rows(), np.full(len(sample), common, np.int32))
            self._learn_tables([(dense.symbols, dense.scales)], complete=False)
        if options.bytes_per_image is not None or options.psnr_db is not None:
            dense = self._targeted(context)
        classes = [(dense.symbols, dense.scales)]
        if options.pruning is not Pruning.NONE:
            classes += self._try_pruning(context, dense)
        # Sizes follow from the tables, so that a target in bytes is aimed at again with the final ones.
        again = None if options.bytes_per_image is not None else dense
        self._learn_tables(classes, complete=complete and again is dense)
        for image, coded in zip(sample, self._finish(context, fitted, dense=again), strict=True):
            self._known[_key(image)] = coded
        return self._codebook

    def encode(self, images: Sequence[Image], *, following: int = 0) -> list[EncodedRecord]:
        """Encode images, in order; those of the training sample are not fitted again."""
        keys = [_key(image) for image in images]
        fresh = [i for i, key in enumerate(keys) if key not in self._known]
        coded: dict[int, _Coded] = dict(zip(fresh, self._code([images[i] for i in fresh]), strict=True))
        networks = [coded.get(i) or self._known[key] for i, key in enumerate(keys)]
        tables = self._codebook.tables
        records = [
            write_records(_as_siren(self._codebook.networks[n.network]), n.symbols[None], np.array([n.scale]), tables)[
                0
            ]
            for n in networks
        ]
        shapes = np.array([(n.network, *image.shape[:2]) for n, image in zip(networks, images, strict=True)], np.int64)
        joined = join_records(records, self._codebook, shapes=shapes, device=self._device)
        decoded = decode_images(joined, range(len(images)), backend="reference")
        return [
            self._record(data, n, image, pixels.permute(1, 2, 0).cpu().numpy())
            for data, n, image, pixels in zip(records, networks, images, decoded, strict=True)
        ]

    def _record(self, data: bytes, coded: _Coded, image: Image, decoded: Image) -> EncodedRecord:
        """A record with its report: what it measures, and whether that is what was asked for."""
        reached, options = psnr_db(decoded, image), self.options
        missed = options.psnr_db is not None and round(reached, 2) < options.psnr_db
        missed |= options.bytes_per_image is not None and len(data) > options.bytes_per_image
        return EncodedRecord(
            data,
            image.shape[0],
            image.shape[1],
            network=coded.network,
            psnr_db=reached,
            steps=coded.steps,
            sparsity=float((coded.symbols == 0).mean()),
            pruning_saved_bytes=coded.saved_bytes,
            pruning_gain_db=coded.gain_db,
            outcome=Outcome.DIVERGED if coded.diverged else Outcome.TARGET_MISSED if missed else Outcome.OK,
        )

    def _tuning_for(self, layers: int) -> AdamConfig:
        options = self.options
        steps = options.steps or (1500 if layers <= 3 else 2000)
        # Measured on 32 px: a short fit wants a higher rate. Deep networks fall into noise at 2e-3.
        rate = 1e-3 if layers > 3 else 3e-3 if steps < 1000 else 2e-3
        return AdamConfig(
            steps=steps,
            learning_rate=options.learning_rate or rate,
            pixels_per_step=options.pixels_per_step,
            between=layers > _SHALLOW and steps >= _LONG,
            seed=options.seed,
        )

    def _set_origin(self, sample: Sequence[Image]) -> None:
        """Networks are differences to the learned base, or to zero and start from one common initialisation."""
        initial = initial_parameters(self._shape, seed=self.options.seed)
        wanted = self.options.shared_base
        self._has_base = len(sample) >= _BASE_FROM_IMAGES if wanted is None else wanted
        if self._has_base:
            self._origin = learn_base(self._engine, self._shape, sample, self._tuning)
            self._first = np.zeros_like(self._origin)
        else:
            self._origin, self._first = np.zeros_like(initial), initial

    def _fitted(self, images: Sequence[Image]) -> Fit:
        target = None if self.options.psnr_db is None else 10 ** (-(self.options.psnr_db + _FIT_BEYOND_DB) / 10)
        self._counting = True
        fit = fit_from(
            self._engine, self._shape, images, self._origin, first=self._first, tuning=self._tuning, target_mse=target
        )
        self._counting = False
        return fit

    def _count(self, fits: float) -> None:
        """Pass on the progress of first fits, not that of the base and of fine-tuning."""
        if self._counting:
            self._progress(fits)

    def _allocate(self, energies: NDArray[np.float32], fitted: Fit) -> Siren:
        groups = 2 * (len(self._shape.widths) - 1)
        base = self._origin if self._has_base else None
        network = Siren(self._shape.widths, _OMEGA, (1.0,) * groups, tuple(range(groups)), groups, base)
        sizes = network.group_sizes
        typical = max(float(np.median(fitted.mse)), QUANTIZATION_FLOOR_MSE)
        noise = typical * (10 ** (self.options.max_drop_db / 10) - 1)
        if self.options.allocate:
            return replace(network, steps=group_steps(energies, sizes, noise=noise))
        return replace(network, steps=range_steps(energies, fitted.differences, sizes, noise=noise))

    def _context(
        self, images: Sequence[Image], differences: NDArray[np.float32], mse: NDArray[np.float64],
        energies: NDArray[np.float32], mask: NDArray[np.bool_] | None = None,
    ) -> Context:  # fmt: skip
        start = Start(origin=self._origin, differences=differences, mask=mask)
        return Context(self._engine, self._shape, self._network, images, start, mse, energies, self._fine_tuning)

    def _targeted(self, context: Context, *, network: int = _DENSE) -> Quantized:
        options = self.options
        if options.psnr_db is not None:
            return for_errors(context, np.full(len(context.images), target_mse(options.psnr_db)))
        if options.bytes_per_image is not None:
            coding = _as_siren(self._codebook.networks[min(network, len(self._codebook.networks) - 1)])
            context = replace(context, network=coding)
            return for_bytes(context, budget_bytes=options.bytes_per_image, tables=self._codebook.tables)
        return for_drop(context, max_drop_db=options.max_drop_db)

    def _learn_tables(self, classes: Sequence[tuple[NDArray[np.int32], NDArray[np.int32]]], *, complete: bool) -> None:
        """One descriptor and one set of tables for each class of networks, (symbols, scales): dense, then pruned.

        ``complete`` says that the dense networks are all there will be; the pruned ones always are a sample.
        """
        tables: list[SymbolTable] = []
        networks = []
        for symbols, scales in classes:
            values = [*np.split(symbols, np.cumsum(self._network.group_sizes)[:-1], axis=1), scales]
            numbers = tuple(range(len(tables), len(tables) + len(values) - 1))
            networks.append(replace(self._network, tables=numbers, scale_table=len(tables) + len(values) - 1))
            tables += [SymbolTable.from_values(v, complete=complete and not networks[1:]) for v in values]
        self._codebook = Codebook(TableSet.of(tables), tuple(networks))

    def _prune_groups(self) -> tuple[int, ...]:
        sizes = self._network.group_sizes
        return sizes if self.options.prune_scope == "layer" else (sum(sizes),)

    def _pruned(self, context: Context) -> Context:
        """The same images pruned as the options ask, with their new errors and sensitivities."""
        options, groups = self.options, self._prune_groups()
        if options.pruning is Pruning.DYNAMIC:
            limit = np.maximum(context.mse, 1e-6) * 10 ** (options.prune_drop_db / 10)
            differences, mask, _ = prune_within(
                self._engine, self._shape, context.images, context.start, self._fine_tuning,
                limit_mse=limit, rounds=4 * options.prune_rounds, by=options.prune_by, groups=groups,
            )  # fmt: skip
        else:
            fit, mask = prune(
                self._engine, self._shape, context.images, context.start, self._fine_tuning,
                share=options.prune_ratio, rounds=options.prune_rounds, by=options.prune_by, groups=groups,
            )  # fmt: skip
            differences = fit.differences
        return remeasured(context, differences, mask)

    def _try_pruning(self, context: Context, dense: Quantized) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """The pruned class learned from part of the sample, if pruning was asked for or pays (``pruning_pays``)."""
        rows = np.arange(min(_TRIAL_IMAGES, len(context.images)))
        self._learn_tables([(dense.symbols, dense.scales)], complete=False)
        part = context.part(rows)
        if self.options.pruning is not Pruning.AUTO:
            pruned = self._targeted(self._pruned(part), network=_PRUNED)
            return [(pruned.symbols, pruned.scales)]
        before = part_of(dense, rows)
        best, chosen = prune_where_better(part, before, self._rules(self._own_bytes))
        self.pruning_pays = bool(chosen.any()) and (
            not self.options.prune_trial
            or self._saves_enough(part, before, best, chosen, share=len(rows) / len(context.images))
        )
        return [(best.symbols[chosen], best.scales[chosen])] if self.pruning_pays else []

    def _rules(self, bytes_of: Callable[..., NDArray[np.float64]]) -> Rules:
        options = self.options

        def quantize(context: Context, targets: NDArray[np.float64]) -> Quantized:
            if options.bytes_per_image is not None:
                return self._targeted(context, network=_PRUNED)
            return for_errors(context, targets)

        return Rules(
            quantize,
            bytes_of,
            options.bytes_per_image,
            4 * options.prune_rounds,
            options.prune_by,
            self._prune_groups(),
        )

    def _saves_enough(
        self, context: Context, dense: Quantized, best: Quantized, chosen: NDArray[np.bool_], *, share: float
    ) -> bool:
        """Whether networks pruned in fine-tuning beat networks that were only fine-tuned, for as long, by enough.

        The tables of the pruned class are charged to the images in proportion, ``share`` of the sample.
        """
        tuning = replace(self._fine_tuning, steps=int((best.steps - dense.steps).max()))
        longer = self._engine.fit(self._shape, context.images, context.start, tuning)
        control = self._context(context.images, longer.differences, longer.mse, context.energies)
        same = self._rules(self._own_bytes).quantize(control, dense.mse)
        if self.options.bytes_per_image is not None:
            return float(np.mean(best.mse / np.minimum(same.mse, dense.mse))) <= 1 - _WORTHWHILE
        without = self._own_bytes(dense, pruned=False)
        reached = same.mse <= dense.mse
        without[reached] = np.minimum(without, self._own_bytes(same, pruned=False))[reached]
        classes = [part_of(best, r) for r in (np.flatnonzero(chosen), np.flatnonzero(~chosen)) if len(r)]
        tables = share * _BYTES_PER_TOKEN * sum(len(t.freqs) for t in self._own_tables(classes[0]))
        records = sum(float(self._own_bytes(c, pruned=True).sum()) for c in classes)
        return records + tables <= (1 - _WORTHWHILE) * float(without.sum())

    def _own_tables(self, quantized: Quantized) -> list[SymbolTable]:
        """Tables learned from just these networks."""
        ends = np.cumsum(self._network.group_sizes)[:-1]
        return [SymbolTable.from_values(v) for v in np.split(quantized.symbols, ends, axis=1)]

    def _own_bytes(self, quantized: Quantized, *, pruned: bool) -> NDArray[np.float64]:
        """Record lengths with such tables."""
        tables = self._own_tables(quantized)
        network = replace(self._network, tables=tuple(range(len(tables))))
        return cost_bytes(network, quantized.symbols, TableSet.of(tables))

    def _coded_bytes(self, quantized: Quantized, *, pruned: bool) -> NDArray[np.float64]:
        """Record lengths with the tables of the codebook."""
        network = _as_siren(self._codebook.networks[_PRUNED if pruned else _DENSE])
        return cost_bytes(network, quantized.symbols, self._codebook.tables)

    def _lengths(self, quantized: Quantized, number: int) -> NDArray[np.int64]:
        """Bytes of the records under the codebook's descriptor ``number``."""
        network = _as_siren(self._codebook.networks[number])
        records = write_records(network, quantized.symbols, quantized.scales, self._codebook.tables)
        return np.array([len(record) for record in records], np.int64)

    def _code(self, images: Sequence[Image]) -> list[_Coded]:
        """Fit and quantize new images."""
        if not images:
            return []
        fitted = self._fitted(images)
        energies = weight_energies(self._shape, self._origin + fitted.differences)
        return self._finish(self._context(images, fitted.differences, fitted.mse, energies), fitted)

    def _finish(self, context: Context, fitted: Fit, *, dense: Quantized | None = None) -> list[_Coded]:
        """Quantize fitted networks (unless ``dense`` already is that), pruned where that is asked for or pays."""
        dense = self._targeted(context) if dense is None else dense
        if self.options.pruning in (Pruning.RATIO, Pruning.DYNAMIC):
            pruned = self._targeted(self._pruned(context), network=_PRUNED)
            fewer, gains = self._lengths(dense, _DENSE) - self._lengths(pruned, _PRUNED), gain_db(dense.mse, pruned.mse)
            return [
                replace(coded, saved_bytes=int(saved), gain_db=float(gain))
                for coded, saved, gain in zip(_coded(pruned, _PRUNED, fitted), fewer, gains, strict=True)
            ]
        if not self.pruning_pays:
            return _coded(dense, _DENSE, fitted)
        best, chosen = prune_where_better(context, dense, self._rules(self._coded_bytes))
        saved = self._coded_bytes(dense, pruned=False) - self._coded_bytes(best, pruned=True)
        options = (_coded(best, _DENSE, fitted), _coded(best, _PRUNED, fitted))
        return [
            replace(options[pruned][i], saved_bytes=round(saved[i]) if pruned else 0)
            for i, pruned in enumerate(chosen.tolist())
        ]


def _as_siren(network: Network) -> Siren:
    """This encoder's codebooks hold nothing else."""
    if not isinstance(network, Siren):
        raise TypeError(f"expected a siren descriptor, got {network.family}")
    return network


def _coded(quantized: Quantized, network: int, fitted: Fit) -> list[_Coded]:
    return [
        _Coded(network, int(scale), symbols, int(before + after), diverged=bool(diverged))
        for scale, symbols, before, after, diverged in zip(
            quantized.scales, quantized.symbols, fitted.steps, quantized.steps, fitted.diverged, strict=True
        )
    ]


def _shape_for(sample: Sequence[Image]) -> tuple[int, int]:
    """The paper's (hidden layers, width) for the sample's median short side."""
    side = float(np.median([min(image.shape[:2]) for image in sample]))
    return (3, 15) if side <= 48 else (5, 28) if side <= 128 else (10, 28)


def _key(image: Image) -> bytes:
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()


def make_encoder(
    options: SirenOptions | None, *, device: torch.device, on_progress: Callable[[float], None]
) -> SirenEncoder:
    """See ``encoding.encoder.EncoderModule``."""
    return SirenEncoder(options or SirenOptions(), device=device, progress=on_progress)
