"""Arrays of one's own through the writer, as the example does it."""

import numpy as np

from inrformat import InrdDataset, InrdReader


def test_the_example_writes_a_file_that_decodes(example, tmp_path, photo_tiles):
    images = photo_tiles["coffee"]
    count = example("write_records").write(
        tmp_path / "x.inrd", [images[:2], images[2:]], sample=images[:3], temperatures=[float(k) for k in range(6)]
    )
    assert count == 6
    with InrdReader(tmp_path / "x.inrd") as reader:
        assert np.asarray(reader.field("temperature")).tolist() == [0, 1, 2, 3, 4, 5]
    dataset = InrdDataset(tmp_path / "x.inrd")
    for number, image in enumerate(images):
        difference = dataset[number][0].permute(1, 2, 0).numpy().astype(int) - image
        assert np.sqrt((difference**2).mean()) < 6
