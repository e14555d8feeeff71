"""MATLAB files are read exactly, or refused in words."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io

from crossad.data.mat import discover, read_maps
from crossad.errors import DataError, MissingInputError

RNG = np.random.default_rng(5)
FULL = RNG.random((31, 95, 1, 4))


def matlab(path, values, key="Xdata", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {key: values}, **options)
    return path


@pytest.mark.parametrize("compressed", [False, True], ids=["v6", "v7"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint16])
def test_maps_come_exact_and_in_order(tmp_path, dtype, compressed):
    values = (FULL * 1000).astype(dtype)
    maps = read_maps(matlab(tmp_path / "a.mat", values, do_compression=compressed))
    assert maps.shape == (4, 31, 95)
    for number in range(4):
        assert np.array_equal(maps[number], values[:, :, 0, number].astype(np.float64))


@pytest.mark.parametrize("shape", [(31, 95), (31, 95, 1), (31, 95, 1, 1)])
def test_one_map_may_have_lost_its_last_axes(tmp_path, shape):
    assert read_maps(matlab(tmp_path / "a.mat", np.ones(shape))).shape == (1, 31, 95)


def test_another_key_and_another_size_may_be_named(tmp_path):
    path = matlab(tmp_path / "a.mat", np.ones((20, 40, 1, 2)), key="maps")
    assert read_maps(path, "maps", (20, 40)).shape == (2, 20, 40)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.ones((31, 95, 4)), "Xdata is 31 x 95 x 4, allowed: 31 x 95 x 1 x N"),
        (np.ones((95, 31, 1, 4)), "Xdata is 95 x 31 x 1 x 4"),
        (np.ones((31, 95, 3, 4)), "Xdata is 31 x 95 x 3 x 4"),
        (np.ones((4, 31, 95, 1, 2)), "allowed: 31 x 95 x 1 x N"),
        (np.ones((31, 95, 1, 0)), "N of 1 or more"),
        (FULL + 1j, "of type complex128, allowed: real numbers"),
        ("text", "allowed: real numbers"),
        ({"a": 1.0}, "allowed: real numbers"),
        (np.array([[FULL]], dtype=object), "allowed: real numbers"),
        (scipy.sparse.eye(31, 95, format="csc"), "allowed: real numbers"),
        (np.where(np.arange(4) == 2, np.nan, FULL), "1 of 4 maps hold NaN or infinity, first number 3"),
        (np.where(np.arange(4) > 1, np.inf, FULL), "2 of 4 maps hold NaN or infinity, first number 3"),
    ],
    ids=["3d", "transposed", "colour", "5d", "none", "complex", "text", "struct", "cell", "sparse", "nan", "inf"],
)
def test_what_is_no_stack_of_finite_real_maps_is_refused(tmp_path, values, told):
    with pytest.raises(DataError, match=r"a\.mat") as caught:
        read_maps(matlab(tmp_path / "a.mat", values))
    assert told in caught.value.message


def test_a_wrong_key_names_those_that_are_there(tmp_path):
    with pytest.raises(DataError, match="no variable Xdata, got: other"):
        read_maps(matlab(tmp_path / "a.mat", FULL, key="other"))


def test_hdf5_files_are_refused_with_the_way_to_save_them(tmp_path):
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(DataError, match="7.3") as caught:  # noqa: RUF043 - any character will do
        read_maps(path)
    assert "-v7" in caught.value.hint


@pytest.mark.parametrize("compressed", [False, True], ids=["v6", "v7"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.5, 0.99])
def test_broken_files_end_in_a_message(tmp_path, compressed, share):
    path = matlab(tmp_path / "a.mat", FULL, do_compression=compressed)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match=r"a\.mat"):
        read_maps(path)


def test_a_flipped_byte_in_a_compressed_file_is_noticed(tmp_path):
    path = matlab(tmp_path / "a.mat", FULL, do_compression=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DataError, match="not a MATLAB file that can be read"):
        read_maps(path)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(MissingInputError, match="no such file"):
        read_maps(tmp_path / "none.mat")
    with pytest.raises(DataError, match="cannot read"):
        read_maps(tmp_path)
    with pytest.raises(MissingInputError, match="no such folder"):
        discover([tmp_path / "none"])
    with pytest.raises(MissingInputError, match=r"no \.mat file"):
        discover([tmp_path])


HEALTHY, FAULTY = "Normal2_LSSm0.3_HSS0", "Planet_fault_ring/1.42_LSSm0.3_HSS0"


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_folder_names_of_the_raw_set_tell_split_and_label(tmp_path):
    touch(
        tmp_path,
        f"K_TSA_DIF_train/{HEALTHY}/b.mat",
        f"K_TSA_DIF_train/{HEALTHY}/a.mat",
        f"K_TSA_DIF_test/{HEALTHY}/data.mat",
        f"K_TSA_DIF_test/{FAULTY}/data.mat",
        f"K_TSA_DIF_test/{FAULTY}/readme.txt",
    )
    found = discover([tmp_path])
    assert [path.name for path in found.train_good] == ["a.mat", "b.mat"]
    assert [path.parts[-2] for path in found.test_good] == [HEALTHY]
    assert [path.parts[-2] for path in found.test_fault] == ["1.42_LSSm0.3_HSS0"]


def test_the_named_folder_and_the_file_itself_may_tell(tmp_path):
    train, test = tmp_path / "K_TSA_DIF_train", tmp_path / "faults of 2023" / "K_TSA_DIF_test"
    touch(train, "Normal2.mat")
    touch(test, "Normal2.mat", "Planet_fault.mat")
    found = discover([train, test])
    assert [len(paths) for paths in found.parts.values()] == [1, 1, 1]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((f"other/{HEALTHY}/a.mat",), "do not tell split and label of 1 file"),
        (("K_TSA_DIF_test/unknown/a.mat",), "do not tell split and label"),
        ((f"K_TSA_DIF_train/{FAULTY}/a.mat",), "do not tell split and label"),
        ((f"K_TSA_DIF_train/{HEALTHY}/a.mat", f"L_TSA_DIF_test/{HEALTHY}/a.mat"), "files of 2 domains: K, L"),
    ],
    ids=["split", "label", "training-faults", "two-machines"],
)
def test_what_the_names_do_not_tell_is_never_guessed(tmp_path, names, told):
    with pytest.raises(DataError, match=told) as caught:
        discover([touch(tmp_path, *names)])
    assert "--train-good" in caught.value.hint
