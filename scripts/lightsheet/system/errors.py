"""The exceptions whose text is written for the person who runs the workflow."""

from lightsheet.system.escapes import escape_lines


class InputError(ValueError):
    """A user's file or setting cannot be used; the message is a sentence that names it and says what to do.

    Names of files stand in it so that any terminal and any log can show them.
    """

    def __init__(self, message: str) -> None:
        super().__init__(escape_lines(message))


class DamagedVolumeError(InputError):
    """A volume that was written before cannot be read: it must be made again."""


class DiskError(OSError, InputError):
    """A disk takes no more, so that no volume can be written: work stops, and no volume is to blame."""

    def __init__(self, message: str) -> None:
        super().__init__(escape_lines(message))
