r"""Text from names and files as it may stand in a sentence or a log: what cannot be shown becomes `\xb5` or `\n`."""

import re

SURROGATE = "[\ud800-\udfff]"
UNPRINTABLE = "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
"""Control characters, line breaks of other kinds, and what Python makes of bytes that are not UTF-8."""


def escape_name(name: str) -> str:
    """Show a name in one line of printable text."""
    return re.sub(UNPRINTABLE, _escape, name)


def escape_lines(text: str) -> str:
    """Show text of several lines as printable text; line breaks and tabs stay."""
    return re.sub(f"(?![\n\t]){UNPRINTABLE}", _escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if "\udc80" <= character <= "\udcff":  # a byte that is not UTF-8, as Python reads it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
