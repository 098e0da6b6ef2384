"""The one exception whose text is written for the person who runs the workflow."""


class InputError(ValueError):
    """A user's file or setting cannot be used; the message is a sentence that names it and says what to do."""
