import pytest

from inrformat.conversion.annotations.reading import read_annotations
from inrformat.conversion.annotations.voc import read_voc
from inrformat.errors import SourceError

SIZE = "<size><width>40</width><height>20</height></size>"
BOX = "<bndbox><xmin>4</xmin><ymin>2</ymin><xmax>20</xmax><ymax>12</ymax></bndbox>"


def xml(name="thing", *, size=SIZE, box=BOX):
    return f"<annotation>{size}<object><name>{name}</name>{box}</object></annotation>"


def test_corners_are_those_that_are_written(tmp_path):
    (tmp_path / "1.xml").write_text(xml())
    found = read_annotations(tmp_path)
    assert found.classes == ("thing",) and found.by_path["1.xml"].size == (20, 40)
    assert found.by_path["1.xml"].instances[0].box == (4 / 40, 2 / 20, 20 / 40, 12 / 20)


def test_files_of_one_name_in_two_folders_stay_apart(tmp_path):
    for folder, name in (("a", "cat"), ("b", "dog")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.xml").write_text(xml(name))
    found = read_annotations(tmp_path, classes=("dog", "cat"))
    assert [found.by_path[f"{folder}/1.xml"].instances[0].label for folder in "ab"] == [1, 0]


BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>' + xml("&c;")


@pytest.mark.parametrize(
    "text,message",
    [
        ("<annotation>", "no element found"),
        ("", "no element found"),
        ("<annotation/>", "no size/width"),
        (xml(size="<size><width>0</width><height>0</height></size>"), "its image is 0 x 0 px"),
        (xml(box=""), "no bndbox/xmin"),
        (xml(box=BOX.replace(">4<", ">nan<")), "bndbox/xmin is nan"),
        (xml(" "), "no name"),
        (BOMB, "document type is not allowed"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_mistakes_and_bombs_are_named(tmp_path, text, message, encoding):
    (tmp_path / "1.xml").write_bytes(text.encode(encoding))
    with pytest.raises(SourceError, match=rf"1\.xml: not as Pascal VOC has it \(.*{message}"):
        read_annotations(tmp_path)


def test_a_class_outside_the_given_ones_is_named(tmp_path):
    (tmp_path / "1.xml").write_text(xml("cow"))
    with pytest.raises(SourceError, match=r"here: 1\.xml: class 'cow' is none of cat, dog"):
        read_voc({"1.xml": tmp_path / "1.xml"}, place="here", classes=("cat", "dog"))
