"""``inrformat warmup`` in this process, where what it compiles serves the other tests."""

import pytest

from inrformat.cli.main import main
from inrformat.data.transforms.fused import cpu as drawing
from inrformat.decoding.cpu import first_use, warm_up
from inrformat.families.registry import family_named


@pytest.mark.parametrize("name", ["cells", "siren"])
def test_it_makes_every_kind_of_map_ready_and_says_where_that_is_kept(name, monkeypatch, capsys):
    monkeypatch.setattr(warm_up, "_done", set())
    drawing.warm_up.cache_clear()
    assert main(["warmup", "--network", name]) == 0
    assert drawing.warm_up.cache_info().currsize == 1
    load = family_named(name).cpu
    assert load is not None
    assert warm_up._done == {(load(), aligned) for aligned in (True, False)}
    said = capsys.readouterr()
    assert said.out.startswith(f"decoders of {name}: ready after ")
    assert str(first_use.CACHE_FOLDER) in said.out
    assert said.err == ""


def test_families_that_do_not_exist_are_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["warmup", "--network", "forest"])
    assert "forest" in capsys.readouterr().err
