from __future__ import annotations

import pytest

from crossad.kube.faults import ClusterUnreachable
from crossad.kube.forms import JobForm, PodForm
from crossad.kube.parsing import parse_object, parse_page


def test_of_a_list_only_the_form_is_kept() -> None:
    body = (
        b'{"metadata":{"continue":"t","remainingItemCount":3},"items":[{"metadata":{"name":"a","managedFields":[{}]}}]}'
    )
    assert parse_page(body, JobForm) == {"metadata": {"continue": "t"}, "items": [{"metadata": {"name": "a"}}]}


def test_a_list_without_items_is_read() -> None:
    assert parse_page(b'{"metadata":{},"items":null}', JobForm) == {"metadata": {}, "items": None}


def test_fields_that_the_server_leaves_empty_are_read() -> None:
    bare = b'{"items":[{"metadata":{"labels":null,"creationTimestamp":null},"spec":{},"status":{}}]}'
    assert parse_page(bare, JobForm)["items"]
    assert parse_page(bare.replace(b'"labels":null,', b""), PodForm)["items"]


def test_an_object_is_kept_whole() -> None:
    assert parse_object(b'{"kind":"Job","x":[1,null]}') == {"kind": "Job", "x": [1, None]}


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"items":[', b'{"items":7}'])
def test_what_is_no_list_says_so(body: bytes) -> None:
    with pytest.raises(ClusterUnreachable, match="cut or no JSON"):
        parse_page(body, JobForm)
