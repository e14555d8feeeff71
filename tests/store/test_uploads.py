"""Large writes that somebody began and left: found, weighed, given up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from faultproxy import Proxy
from s3servers import ON_S3, Place

from crossad.store import bucket
from crossad.store.bucket import Bucket
from crossad.store.faults import StoreBroken
from crossad.store.s3 import S3Store

SOON = timedelta(minutes=1)


def opened(place: Place) -> S3Store:
    store = place.open(commit="conditional")
    assert isinstance(store, S3Store)
    return store


def begin(store: S3Store, key: str, *sizes: int) -> str:
    upload = store.bucket.begin_upload(key, None)
    for number, size in enumerate(sizes, 1):
        store.bucket.send_part(key, upload, number, bytes(size))
    return upload


@pytest.mark.parametrize("place", ON_S3, indirect=True)
def test_uploads_that_were_left_are_listed_with_their_bytes_and_given_up(place: Place) -> None:
    store = opened(place)
    begin(store, "attempts/a/one", 100)
    begin(store, "attempts/a/two")
    later = store.now() + SOON
    found = {upload.key: upload for upload in store.uploads(later)}
    assert {key: upload.size for key, upload in found.items()} == {"attempts/a/one": 100, "attempts/a/two": 0}
    assert list(store.uploads(found["attempts/a/one"].begun)) == [], "those begun at that moment are not before it"
    for _ in range(2):  # giving up twice is once
        store.abort(found["attempts/a/one"])
    assert [upload.key for upload in store.uploads(later)] == ["attempts/a/two"]


@pytest.mark.parametrize("place", ["versitygw", "moto"], indirect=True)
def test_only_uploads_below_the_own_prefix_are_seen(place: Place) -> None:
    store = opened(place)
    neighbour = Place(place.kind, place.servers, place.folder, prefix=f"{place.prefix}-neighbour")
    begin(opened(neighbour), "x", 10)
    begin(store, "x", 10)
    assert [upload.size for upload in store.uploads(store.now() + SOON)] == [10]


def test_a_long_listing_of_uploads_goes_page_by_page(versitygw: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "PAGE", 2)
    store = opened(versitygw)
    for number in range(5):
        begin(store, f"k{number}")
    assert [upload.key for upload in store.uploads(store.now() + SOON)] == [f"k{number}" for number in range(5)]


def test_an_upload_that_ends_while_it_is_looked_at_is_no_error(versitygw: Place) -> None:
    store = opened(versitygw)
    begin(store, "k", 10)
    listing = store.uploads(store.now() + SOON)
    (upload,) = store.uploads(store.now() + SOON)
    store.abort(upload)
    assert list(listing) == []
    assert store.bucket.weighed(upload).size == upload.size


def test_a_listing_of_uploads_that_does_not_advance_is_told(versitygw: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = [], "k"
    monkeypatch.setattr(bucket, "PAGE", 1)
    store = opened(versitygw)
    call = store.bucket.connection.call
    answer = {"Uploads": [], "IsTruncated": True, "NextKeyMarker": "k"}
    monkeypatch.setattr(
        store.bucket.connection,
        "call",
        lambda operation, *words, **more: (
            answer if operation == "list_multipart_uploads" else call(operation, *words, **more)
        ),
    )
    assert store.bucket.uploads() == stuck
    with pytest.raises(StoreBroken, match="does not advance"):
        list(store.uploads(store.now() + SOON))


def test_names_that_are_no_keys_are_somebody_elses(versitygw: Place) -> None:
    store = opened(versitygw)
    outer = Bucket(store.bucket.connection, "crossad-tests", versitygw.prefix, store.options)
    outer.connection.call("create_multipart_upload", "", Bucket="crossad-tests", Key=f"{versitygw.prefix}/.odd.tmp")
    assert list(store.uploads(store.now() + SOON)) == []


def test_a_busy_server_is_asked_again(store: S3Store, proxy: Proxy) -> None:
    begin(store, "k", 10)
    proxy.add("refuse", "GET", "uploads", times=2)
    proxy.add("refuse", "GET", "uploadId=", times=2)
    (upload,) = store.uploads(store.now() + SOON)
    assert upload.size == 10
    proxy.add("refuse", "DELETE", times=2)
    store.abort(upload)
    assert list(store.uploads(store.now() + SOON)) == []


def test_a_folder_has_none(place: Place) -> None:
    place.kind = "folder"
    store = place.open()
    assert list(store.uploads(store.now() + SOON)) == []


@pytest.mark.parametrize("place", ["folder", "versitygw", "pretender"], indirect=True)
def test_what_was_never_created_once_is_deleted_without_looking_for_claims(place: Place) -> None:
    store = place.open(commit="plain") if place.kind != "folder" else place.open()
    store.put("k", b"x")
    store.delete("k", once=False)
    store.delete("k", once=False)
    assert list(store.list()) == []
