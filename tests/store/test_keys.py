from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossad.store.faults import KeyRefused
from crossad.store.keys import KEY_BYTES, check_key, check_prefix


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6))
def test_a_key_that_passes_stays_below_its_root(parts: list[str]) -> None:
    key = "/".join(parts)
    try:
        assert check_key(key) == key
    except KeyRefused as error:
        assert error.exit_code == 65
        return
    pieces = key.split("/")
    assert all(piece not in ("", ".", "..") for piece in pieces)
    assert len(key.encode()) <= KEY_BYTES
    assert key.isprintable() or " " in key or any(ord(sign) > 127 for sign in key)


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "commits/condition-"])
def test_prefixes_may_end_anywhere(prefix: str) -> None:
    assert check_prefix(prefix) == prefix


@pytest.mark.parametrize("prefix", ["/", "//", "/a", "a//", "../", "a/.."])
def test_prefixes_do_not_climb(prefix: str) -> None:
    with pytest.raises(KeyRefused, match="refused"):
        check_prefix(prefix)


def test_a_refusal_says_what_is_wrong_and_what_is_right() -> None:
    with pytest.raises(KeyRefused) as caught:
        check_key("a/../b")
    assert "it has the part '..'" in caught.value.message
    assert "relative" in str(caught.value.hint)
