"""Weights and textures in a store: bytes under their hash, a name that keeps its meaning, damage named."""

from __future__ import annotations

import json
import threading

import pytest

from crossad.assets import ASSETS, hash_tensors
from crossad.errors import DataError, MissingInputError, UsageError
from crossad.files import sha256_file
from crossad.store.folder import FolderStore
from crossad.supplies.pins import find_pin, list_names, pin_key, read_pin
from crossad.supplies.stock import check, put_textures, put_weights
from crossad.supplies.textures import hash_textures

NAME = "resnet18"


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")


@pytest.mark.parametrize("place", ["folder", "versitygw", "pretender"], indirect=True)
def test_what_is_pinned_is_found_by_its_name(place, weights, textures):
    store = place.open()
    path = weights()
    pin, made = put_weights(store, NAME, path, "hub", "Apache-2.0")
    assert made
    assert (pin.sha256, pin.content, pin.bytes) == (sha256_file(path), hash_tensors(path), path.stat().st_size)
    put_textures(store, "dtd", textures, "research only")
    again = place.open()
    assert list(list_names(again)) == ["dtd", NAME]
    assert find_pin(again, NAME, "weights") == pin
    found = find_pin(again, "dtd", "textures")
    assert (found.files, found.licence, found.content) == (3, "research only", hash_textures(textures))
    assert [check(again, read_pin(again, name)) for name in ("dtd", NAME)] == ["ok", "ok"]
    assert {entry.key for entry in again.list("assets/")} == {
        pin.key, found.key, pin_key(NAME), pin_key("dtd"),
    }  # fmt: skip


def test_the_same_again_sends_nothing_and_changes_nothing(store, weights, textures, monkeypatch):
    put_weights(store, NAME, weights(), "hub")
    put_textures(store, "dtd", textures)
    before = {entry.key: store.get(entry.key) for entry in store.list()}
    monkeypatch.setattr(store, "put", lambda *_, **__: pytest.fail("sent again"))
    assert put_weights(store, NAME, weights(), "another source")[1] is False
    (textures / "LICENSE").write_text("a file that is no texture")
    assert put_textures(store, "dtd", textures)[1] is False
    assert {entry.key: store.get(entry.key) for entry in store.list()} == before


def test_a_name_keeps_its_meaning(store, weights, textures):
    pin, _ = put_weights(store, NAME, weights(), "hub")
    with pytest.raises(DataError, match="with other weights") as caught:
        put_weights(store, NAME, weights(1), "hub")
    assert str(pin_key(NAME)) in caught.value.hint
    assert find_pin(store, NAME, "weights") == pin
    assert not store.stat(f"assets/{sha256_file(weights(1))}.safetensors"), "nothing was sent"
    put_textures(store, "dtd", textures)
    (textures / "woven/one.jpg").write_bytes(b"another image")
    with pytest.raises(DataError, match="with other textures"):
        put_textures(store, "dtd", textures)
    with pytest.raises(DataError, match="names textures in"):
        find_pin(store, "dtd", "weights")


def test_of_many_at_once_one_pins_and_all_agree(store, weights):
    paths, made, refused = [weights(seed) for seed in (0, 1)], [], []

    def work(path):
        try:
            made.append(put_weights(store, NAME, path, "hub"))
        except DataError as error:
            refused.append(error)

    threads = [threading.Thread(target=work, args=[paths[number % 2]]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pin = find_pin(store, NAME, "weights")
    assert sum(new for _, new in made) >= 1
    assert {one.content for one, _ in made} == {pin.content}
    assert (len(made), len(refused)) == (4, 4)


def test_bytes_that_got_lost_are_put_back(store, weights):
    pin, _ = put_weights(store, NAME, weights(), "hub")
    store.delete(pin.key)
    assert check(store, pin) == f"missing: {pin.key}"
    put_weights(store, NAME, weights(), "hub")
    assert check(store, pin) == "ok"
    store.delete(pin.key)
    other = weights(name="another library's")
    data = other.read_bytes()
    size = int.from_bytes(data[:8], "little")
    other.write_bytes((size + 8).to_bytes(8, "little") + data[8 : 8 + size] + b" " * 8 + data[8 + size :])
    assert (hash_tensors(other), sha256_file(other) != pin.sha256) == (pin.content, True)
    with pytest.raises(DataError, match="in other bytes"):
        put_weights(store, NAME, other, "hub")


def test_damage_is_named(store, weights, textures):
    first, second = put_weights(store, NAME, weights(), "hub")[0], put_textures(store, "dtd", textures)[0]
    for pin in (first, second):
        data = bytearray(store.get(pin.key))
        data[-1] ^= 1
        store.put(pin.key, bytes(data))
        assert check(store, pin).startswith("damaged: ")
        assert pin.key in check(store, pin)
    changed = first.model_copy(update={"content": "0" * 64})
    put_weights(FolderStore(store.root / "two"), NAME, weights(), "hub")
    assert check(FolderStore(store.root / "two"), changed).startswith("changed: ")


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", json.dumps({"kind": "crossad-asset", "format": 2, "name": NAME}).encode()]
)
def test_a_pin_that_is_none_is_told_with_its_key(store, data):
    store.create_once(pin_key(NAME), data)
    with pytest.raises(DataError, match="not a pin of an asset") as caught:
        find_pin(store, NAME, "weights")
    assert pin_key(NAME) in caught.value.message


def test_a_pin_of_another_name_is_refused(store, weights):
    pin, _ = put_weights(store, NAME, weights(), "hub")
    store.create_once(pin_key("resnet34"), pin.text.encode())
    with pytest.raises(DataError, match="not the pin of resnet34"):
        find_pin(store, "resnet34", "weights")


def test_what_cannot_be_pinned(store, textures, tmp_path):
    with pytest.raises(UsageError, match="allowed: letters"):
        put_textures(store, "../dtd", textures)
    (tmp_path / "empty").mkdir()
    for folder, told in ((tmp_path / "empty", "no texture image in"), (tmp_path / "none", "no such texture folder")):
        with pytest.raises(MissingInputError, match=told):
            put_textures(store, "dtd", folder)
    (tmp_path / "cut.safetensors").write_bytes(b"\x08")
    with pytest.raises(DataError, match="not a whole safetensors file"):
        put_weights(store, NAME, tmp_path / "cut.safetensors", "hub")
    assert list(store.list()) == []


def test_licences_are_those_that_timm_states():
    timm = pytest.importorskip("timm")
    for name, asset in ASSETS.items():
        assert asset.licence.lower() == timm.get_pretrained_cfg(name).license
