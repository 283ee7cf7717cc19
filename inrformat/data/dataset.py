"""``InrdDataset``: an .inrd file as a torchvision data set."""

from __future__ import annotations

import copy
import operator
import os
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import torch
from torchvision.datasets import VisionDataset
from torchvision.datasets.vision import StandardTransform

from inrformat.container.limits import DEFAULT_LIMITS, Limits
from inrformat.container.reader import InrdReader
from inrformat.container.targets import NAME_FIELD
from inrformat.data.forms import Form, form_for, in_form
from inrformat.data.lifted import Lifted
from inrformat.data.mapping import mapped
from inrformat.data.residency import load_resident
from inrformat.data.targets import UNLABELLED, read_targets
from inrformat.data.transforms.plan import Frame, Plan, has_geometry
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.devices import checked_device
from inrformat.decoding.dispatch import decode_images
from inrformat.decoding.output_size import Size, output_size
from inrformat.decoding.records import DeviceRecords, join_records
from inrformat.errors import InvalidFileError, UsageError
from inrformat.families.codebook import Codebook

__all__ = ["UNLABELLED", "InrdDataset"]


class InrdDataset(VisionDataset):  # type: ignore[misc]  # torchvision carries no types
    """Images and labels of an .inrd file, decoded when asked for.

    ``ds[i]`` is ``(image, target)``: a uint8 ``tv_tensors.Image`` ``(3, height, width)``, or what ``output`` says, and
    the target, a class number or what else the file holds (``inrformat.data.targets``), both after the transforms. A
    ``DataLoader`` fetches whole batches (``__getitems__``), which decodes them together. Opened plain, each image is
    read from the file when it is needed, in as many worker processes as you like; after ``to(device)`` the file's bytes
    live on that device and images come out there.

    Attributes:
        classes: class names. class_to_idx: their numbers. targets: of every sample, in native pixels; of class
            numbers a list of ints. column: the same, before it was made a list.
        reader: the open file, for its metadata and other field columns. codebook: its networks and symbol tables.
    """

    _transform: Callable[..., Any] | None = None
    _target_transform: Callable[..., Any] | None = None
    _transforms: Callable[..., Any] | None = None
    _lifted: Lifted | None = None
    _places: dict[str, list[int]] | None = None
    _target_keys: Collection[str] | None = None

    def __new__(cls, root: Any = None, *arguments: Any, **_options: Any) -> Self:
        # torchvision's wrap_dataset_for_transforms_v2 calls a class made of its wrapper and this one, with a data set
        # and target keys. Samples are tv_tensors already, so that only the choice of keys is left of the wrapping.
        if isinstance(root, InrdDataset):
            return root._with_target_keys(*arguments)
        new: Self = super().__new__(cls)
        return new

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        transforms: Callable[..., Any] | None = None,
        *,
        size: Size = None,
        target: str | Sequence[str] | None = None,
        lift: bool = False,
        output: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
        storage_options: Mapping[str, Any] | None = None,
        local_files_only: bool = False,
    ) -> None:
        """Open a file.

        Args:
            root: path of the .inrd file, or a URL that fsspec knows: ``https://``, ``hf://``, ``s3://`` and others.
            transform, target_transform, transforms: as in every torchvision data set: on the image, on the target, or
                on both together.
            size: decode at this size instead of the native one: an int for the short side, or (height, width).
            target: what the target is: "class", "multilabel", "regression", "detection", "semantic", "keypoints",
                "caption", the name of a field column, or several of them for a tuple. By default what the file is for.
            lift: evaluate the geometric part of the transforms in the decoder, also in worker processes: the same
                distributions, far less work. ``print(ds.plan)`` says what becomes of them.
            output: what the transforms get and samples hold: "tensor", "pil", or "numpy" (uint8
                ``(height, width, 3)``). By default tensors, and Pillow images for transforms that take nothing else,
                such as ``ToTensor`` and those of timm.
            limits: what a file may ask of this machine.
            storage_options, local_files_only: for a URL, as in `InrdReader`.

        Raises:
            UsageError: the file holds no such target; there is no such output.
            InvalidFileError, UnsupportedVersionError: the file is damaged, not an .inrd, or too new.
        """
        self._lift, self._output, self._size, self._kind = lift, output, size, target
        super().__init__(os.fspath(root), transforms, transform, target_transform)
        self.reader = InrdReader(
            self.root, limits=limits, storage_options=storage_options, local_files_only=local_files_only
        )
        self._device: torch.device | None = None
        self._resident: DeviceRecords | None = None
        try:
            self.codebook = Codebook.from_map(self.reader.codebook, limits=limits)
            self.codebook.check(self.reader.index, limits=limits)
            self.classes: list[str] = list(self.reader.metadata.classes)
            self.class_to_idx: dict[str, int] = {name: k for k, name in enumerate(self.classes)}
            self.column = read_targets(self.reader, target)
        except InvalidFileError as error:
            raise error.in_file(self.reader.path) from error.__cause__
        self._warn_of_targets_left_behind(stacklevel=3)

    def _with_target_keys(self, keys: Collection[str] | None) -> InrdDataset:
        """This data set; where keys of its targets are named, another that has no more of them than these."""
        if keys is None or keys == "all":
            return self
        column, chosen = self.column.only(keys), copy.copy(self)
        chosen._target_keys, chosen.column, chosen.targets = keys, column, column
        return chosen

    def __len__(self) -> int:
        return len(self.reader)

    @cached_property
    def targets(self) -> Sequence[Any]:
        """As torchvision's data sets have them; a list is made when it is first asked for: it takes memory."""
        whole = self.column.whole
        numbers = whole is not None and whole.ndim == 1 and not whole.is_floating_point()
        return whole.tolist() if numbers and whole is not None else self.column

    @property
    def _targets_used(self) -> Sequence[Any]:
        """``targets`` if someone has asked for them, and may have changed them, or their column."""
        used: Sequence[Any] = self.__dict__.get("targets", self.column)
        return used

    # -- transforms: what was set last holds, as in torchvision's data sets

    @property
    def transform(self) -> Callable[..., Any] | None:
        """On the image alone."""
        return self._transform

    @transform.setter
    def transform(self, transform: Callable[..., Any] | None) -> None:
        self._set_transforms(transform, self._target_transform, _joint(transform, self._target_transform))

    @property
    def target_transform(self) -> Callable[..., Any] | None:
        """On the target alone."""
        return self._target_transform

    @target_transform.setter
    def target_transform(self, target_transform: Callable[..., Any] | None) -> None:
        self._set_transforms(self._transform, target_transform, _joint(self._transform, target_transform))

    @property
    def transforms(self) -> Callable[..., Any] | None:
        """On image and target together: what samples pass through."""
        return self._transforms

    @transforms.setter
    def transforms(self, transforms: Callable[..., Any] | None) -> None:
        apart = transforms if isinstance(transforms, StandardTransform) else StandardTransform()
        self._set_transforms(apart.transform, apart.target_transform, transforms)

    def _set_transforms(self, transform: Any, target_transform: Any, transforms: Any) -> None:
        self._transform, self._target_transform, self._transforms = transform, target_transform, transforms
        self._form = form_for(transforms if transform is None else transform, self._output)
        self._lifted = None
        if hasattr(self, "column"):
            self._warn_of_targets_left_behind(stacklevel=4)

    def _warn_of_targets_left_behind(self, *, stacklevel: int) -> None:
        """Say what torchvision's rule for ``transform`` means where targets lie in the image."""
        if self.column.in_pixels and has_geometry(self._transform):
            warnings.warn(
                f"{self.reader.path}: transform moves the image and leaves its {self.column.in_pixels} where they are; "
                "transforms= takes both through the same geometry, as in every torchvision data set",
                UserWarning,
                stacklevel=stacklevel,
            )

    @property
    def size(self) -> Size:
        """At which images are decoded; None: each at its own."""
        return self._size

    @size.setter
    def size(self, size: Size) -> None:
        self._size, self._lifted = size, None

    @property
    def plan(self) -> Plan:
        """What ``lift`` makes of the transforms: print it.

        Raises:
            UsageError: the data set was opened without.
        """
        return self._split().plan

    def _split(self) -> Lifted:
        if not self._lift:
            raise UsageError(f"{self.reader.path}: open it with lift=True to have its transforms lifted")
        if self._lifted is None:
            frame = Frame.of(self.reader.index.heights, self.reader.index.widths)
            self._lifted = Lifted.of(self._transforms, frame, size=self.size, output=self._output)
        return self._lifted

    # -- samples

    @property
    def samples(self) -> list[tuple[str, Any]]:
        """Name and target of every sample, as in ``torchvision.datasets.ImageFolder``.

        Raises:
            UsageError: the file holds no names.
        """
        names = self.reader.text_field(NAME_FIELD)
        if names is None:
            raise UsageError(f"{self.reader.path}: it holds no names of its images")
        return list(zip(names, self.targets, strict=True))

    imgs = samples

    def find_classes(self, directory: Any = None) -> tuple[list[str], dict[str, int]]:
        """Class names and their numbers, as in ``torchvision.datasets.ImageFolder``; here the file says them."""
        del directory
        return self.classes, self.class_to_idx

    def loader(self, path: str) -> Any:
        """The image of that name in ``samples``, a Pillow image, as in ``torchvision.datasets.ImageFolder``.

        Raises:
            UsageError: no image, or more than one, has that name.
        """
        if self._places is None:
            self._places = {}
            for k, (name, _) in enumerate(self.samples):
                self._places.setdefault(name, []).append(k)
        found = self._places.get(path, [])
        if len(found) != 1:
            raise UsageError(f"{self.reader.path}: {len(found)} images are named {path!r}")
        return in_form(decode_images(*self._records(found), size=self.size)[0], Form.PIL)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Sample ``index``: the image, uint8 ``(3, height, width)``, and its target, after the transforms."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Iterable[int]) -> list[tuple[Any, Any]]:
        """Several samples, decoded together; what a ``DataLoader`` calls for a batch."""
        numbers = [self._checked(i) for i in indices]
        records, rows = self._records(numbers)
        if self._lift and numbers:
            lifted = self._split()
            targets = [self._targets_used[k] if lifted.joint else self._target(k) for k in numbers]
            return lifted.samples(records, rows, targets, target_transform=self._target_transform)
        images = decode_images(records, rows, size=self.size)
        return [self._transformed(image, self._target(k)) for image, k in zip(images, numbers, strict=True)]

    def _target(self, number: int) -> Any:
        """The target of a sample, in the pixels of the image as it is decoded."""
        target = self._targets_used[number]
        native = int(self.reader.index.heights[number]), int(self.reader.index.widths[number])
        if self.size is None or self.column.whole is not None:
            return target
        return mapped(target, Canvas.of([native[0]], [native[1]]).resize(*output_size(native, self.size)).geometry())

    def _records(self, numbers: list[int]) -> tuple[DeviceRecords, list[int]]:
        if self._device is None:
            data, index = self.reader.records(numbers), self.reader.index
            records = join_records(data, self.codebook, shapes=index.shapes(numbers), device=torch.device("cpu"))
            return records, list(range(len(numbers)))
        if self._resident is None:
            self._resident = load_resident(self.reader, self.codebook, self._device)
        return self._resident, numbers

    @property
    def resident(self) -> DeviceRecords:
        """The records where ``to`` put them, as ``inrformat.decoding.dispatch.decode`` takes them.

        Raises:
            UsageError: the file is read as needed; call ``to`` first.
        """
        if self._device is None:
            raise UsageError(f"{self.reader.path} is not resident anywhere: call to(device) first")
        return self._records([])[0]

    def _transformed(self, image: torch.Tensor, target: Any) -> tuple[Any, Any]:
        sample = in_form(image, self._form), target
        return sample if self.transforms is None else self.transforms(*sample)

    def _checked(self, index: int) -> int:
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"sample {number} of {len(self)} in {self.reader.path}")
        return number % len(self)

    def to(self, device: str | torch.device) -> Self:
        """Copy the file's bytes to ``device`` once; afterwards images are decoded there. Returns self.

        Args:
            device: "cuda", "cuda:N", "cpu" (the bytes in this process's memory) or "auto".
        """
        self._device = checked_device(device)
        self._resident = load_resident(self.reader, self.codebook, self._device)
        return self

    @property
    def device(self) -> torch.device | None:
        """Where the file's bytes are resident; None while they are read from the file."""
        return self._device

    def __getstate__(self) -> dict[str, Any]:
        # Workers and copies reopen the file and read its targets; resident bytes are copied when first needed.
        kept = {name: value for name, value in self.__dict__.items() if value is not self.column}
        return {**kept, "_resident": None, "_lifted": None, "_places": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.column = read_targets(self.reader, self._kind)
        if self._target_keys is not None:
            self.column = self.column.only(self._target_keys)

    def extra_repr(self) -> str:
        """Lines for ``repr``, under torchvision's own."""
        return f"Classes: {len(self.classes)}\nResident on: {self.device or 'none (read from the file)'}"


def _joint(transform: Any, target_transform: Any) -> StandardTransform | None:
    return None if transform is None and target_transform is None else StandardTransform(transform, target_transform)
