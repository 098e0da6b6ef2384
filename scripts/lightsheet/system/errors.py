"""The exceptions whose text is written for the person who runs the workflow."""

from collections.abc import Sequence

from lightsheet.system.escapes import escape_lines


class InputError(ValueError):
    """A user's file or setting cannot be used; the message is a sentence that names it and says what to do.

    Names of files stand in it so that any terminal and any log can show them. `ignore` are shell patterns of the files
    that are to blame, as `input.ignore` takes them, where the others can be read without those.
    """

    def __init__(self, message: str, ignore: Sequence[str] = ()) -> None:
        super().__init__(escape_lines(message))
        self.ignore = tuple(ignore)


class DamagedVolumeError(InputError):
    """A volume that was written before cannot be read: it must be made again."""


class DiskError(OSError, InputError):
    """A disk takes no more, so that no volume can be written: work stops, and no volume is to blame."""

    def __init__(self, message: str) -> None:
        super().__init__(escape_lines(message))
