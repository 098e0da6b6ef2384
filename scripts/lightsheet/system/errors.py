"""The one exception whose text is written for the person who runs the workflow."""


class InputError(ValueError):
    """Something that the user gave cannot be used; the message is a sentence naming it and saying what to do."""
