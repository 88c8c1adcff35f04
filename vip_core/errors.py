"""Errors that a user can cause. Each message is one sentence that says what to do."""


class ViPError(Exception):
    """Base of all of them; a command line prints the message and ends with `exit_status`."""

    exit_status = 2


class UsageError(ViPError):
    """The arguments of a command or a function are invalid."""


class ImageError(ViPError):
    """An image cannot be read, or should not be."""


class ImageMemoryError(ImageError):
    """An image takes more memory to decode than there is."""


class SymptomError(ViPError):
    """A symptom set is invalid: a class listed twice, an empty list, too many symptoms."""


class PromptTooLong(SymptomError):
    """A symptom has more tokens than the text tower has room for."""


class BackboneError(ViPError):
    """A backbone is unknown, cannot be loaded, or cannot do what is asked of it."""


class DataError(ViPError):
    """A data folder or a labels file does not have the expected layout."""


class CheckpointError(ViPError):
    """A checkpoint is damaged, belongs to another model, or cannot be written."""


class StorageError(ViPError):
    """A file cannot be written: the disk is full, or permission is missing."""


class GenerationError(ViPError):
    """Symptoms cannot be generated: no language model is set up, it does not answer, or its answer cannot be used."""


class GenerationCancelled(GenerationError):
    """The user cancelled the generation."""
