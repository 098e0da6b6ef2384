"""Numbers and lists as a person says them."""

import pytest

from lightsheet.system import write_number


@pytest.mark.parametrize(("count", "text"), [(0, "0 volumes"), (1, "1 volume"), (2, "2 volumes")])
def test_one_thing_is_no_plural(count: int, text: str) -> None:
    assert write_number(count, "volume") == text
