"""The error of a runtime that is not there or cannot load a file."""


class Refused(ValueError):
    """A runtime does not run an exported file; the message is its reason."""
