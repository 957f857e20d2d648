class CheckpointError(ValueError):
    """A file of a checkpoint that cannot be used; nothing was loaded of it."""
