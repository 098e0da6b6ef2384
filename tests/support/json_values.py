"""JSON that stands for a file of somebody who errs, or means harm."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

a_value: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0, 2**31, 2**63, 10**30, 10**400, -(10**9), 1.5, 3.0, 1e308, float("nan"), float("inf")])
    | st.sampled_from(["", "..", "/etc", "a\nb", "\ud800", "float16", "blosc", "object", "0" * 300]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def list_places(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the keys that lead to each value of some JSON."""
    yield place
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in pairs:
        yield from list_places(value, (*place, key))
