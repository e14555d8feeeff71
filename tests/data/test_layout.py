"""What a folder of domains means."""

from __future__ import annotations

import pytest

from crossad.data.layout import (
    ImageFile,
    domain_facts,
    limit,
    list_domains,
    list_images,
    metadata_paths,
    spread,
)
from crossad.errors import DataError, MissingInputError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_domains_are_folders_with_a_split(tmp_path):
    touch(tmp_path, "domain_B/test/good/0.png", "domain_A/train/good/0.png", "notes/a.txt", ".aside/train/good/0.png")
    assert list_domains(tmp_path) == ("domain_A", "domain_B")
    with pytest.raises(MissingInputError, match="no such data folder"):
        list_domains(tmp_path / "none")


def test_images_come_sorted_by_label_and_name_without_foreign_files(tmp_path):
    names = ("test/fault/2.PNG", "test/good/1.tiff", "test/good/0.png", "test/good/.0.png", "test/good/notes.txt")
    touch(tmp_path / "A", *names)
    found = list_images(tmp_path, "A", "test")
    assert [(file.relative, file.label) for file in found] == [
        ("test/good/0.png", 0),
        ("test/good/1.tiff", 0),
        ("test/fault/2.PNG", 1),
    ]


@pytest.mark.parametrize(
    ("asked", "hint"), [("Domain_a", "did you mean domain_A?"), ("other", "domains here: domain_A")]
)
def test_a_domain_is_found_by_its_exact_name_only(tmp_path, asked, hint):
    touch(tmp_path, "domain_A/train/good/0.png")
    with pytest.raises(MissingInputError, match="no such domain") as caught:
        list_images(tmp_path, asked, "train")
    assert caught.value.hint == hint


def test_a_missing_split_names_the_layout(tmp_path):
    touch(tmp_path, "A/train/good/0.png")
    with pytest.raises(MissingInputError, match="has no test split"):
        list_images(tmp_path, "A", "test")


def with_metadata(tmp_path, data):
    touch(tmp_path, "A/test/good/0.png", "A/test/fault/0.png")
    (tmp_path / "A/metadata.csv").write_bytes(data if isinstance(data, bytes) else data.encode())
    return tmp_path


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte-order-mark"])
def test_metadata_gives_severity_and_stratum(tmp_path, mark):
    text = f"{mark}path,severity,stratum,other\ntest/fault/0.png,0.75,warm,x\ntest/good/0.png,,,\n"
    good, fault = list_images(with_metadata(tmp_path, text), "A", "test")
    assert (fault.severity, fault.stratum, good.severity, good.stratum) == (0.75, "warm", None, None)
    assert metadata_paths(tmp_path, "A") == {"test/fault/0.png", "test/good/0.png"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("name,severity\na,1\n", "no column 'path', got: name, severity"),
        ("", "no column 'path', got: nothing"),
        ("path,severity\ntest/good/0.png,high\n", "line 2: severity is not a number: 'high'"),
        ("path,severity\ntest/good/0.png,nan\n", "line 2: severity: got nan, allowed: 0 or more"),
        ("path,severity\ntest/good/0.png,-1\n", "line 2: severity: got -1, allowed: 0 or more"),
        (b"path,severity\n\xff\xfe,1\n", "not a CSV table in UTF-8"),
    ],
    ids=["no-path", "empty", "text", "nan", "negative", "latin"],
)
def test_faulty_metadata_is_told_with_its_line(tmp_path, data, told):
    with pytest.raises(DataError, match=r"metadata\.csv") as caught:
        list_images(with_metadata(tmp_path, data), "A", "test")
    assert told in caught.value.message


def test_domain_facts_are_read_or_unknown(tmp_path):
    touch(tmp_path, "A/train/good/0.png", "B/train/good/0.png")
    path = tmp_path / "A/domain.json"
    path.write_text('{"synthetic": true, "sensor": 3, "operating_class": "1", "preset": null, "more": 1}')
    facts = domain_facts(tmp_path, "A")
    assert (facts.synthetic, facts.sensor, facts.operating_class, facts.preset) == (True, "3", "1", None)
    assert domain_facts(tmp_path, "B").synthetic is False
    for text, told in (("{", "not JSON"), ("[]", "got list, allowed: an object")):
        path.write_text(text)
        with pytest.raises(DataError, match=told):
            domain_facts(tmp_path, "A")


def images(domain, count, tmp_path):
    return tuple(
        ImageFile(domain, "test", label, tmp_path / f"{label}{number}", f"{label}/{number}")
        for label in (0, 1)
        for number in range(count)
    )


def test_limit_draws_from_all_stretches_and_labels(tmp_path):
    files = images("A", 1000, tmp_path)
    kept = limit(files, 20, seed=0)
    for label in (0, 1):
        numbers = [int(file.relative[2:]) for file in kept if file.label == label]
        assert [number // 50 for number in numbers] == [*range(20)]  # one of each stretch: half cold, half warm
        assert numbers != [*range(20)]


def test_limit_is_equal_for_every_domain_and_condition_and_moves_with_the_seed(tmp_path):
    draws = [[file.relative for file in limit(images(name, 300, tmp_path), 30, seed=0)] for name in ("A", "B")]
    assert draws[0] == draws[1]
    assert [file.relative for file in limit(images("A", 300, tmp_path), 30, seed=1)] != draws[0]


@pytest.mark.parametrize(("total", "count"), [(5, 5), (5, 9), (0, 3)])
def test_a_limit_that_does_not_bind_keeps_all(total, count):
    assert spread(total, count, 0, "x") == [*range(total)]
