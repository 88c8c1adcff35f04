"""The errors that a person can cause. The message is one sentence for that person, and says what to do."""


class ViPError(Exception):
    """Base of all of them; a command line prints the message and ends with `exit_status`."""

    exit_status = 2


class UsageError(ViPError):
    """The command line's words are off."""


class ImageError(ViPError):
    """An image cannot be read, or should not be."""


class SymptomError(ViPError):
    """A symptom set is not one: a class twice, an empty list, too many symptoms."""


class PromptTooLong(SymptomError):
    """A symptom has more tokens than the text tower has room for."""


class BackboneError(ViPError):
    """A backbone is unknown, cannot be loaded, or cannot do what is asked of it."""


class DataError(ViPError):
    """A data folder or a labels file does not have the expected layout."""


class CheckpointError(ViPError):
    """A checkpoint is damaged, foreign, or cannot be written."""


class StorageError(ViPError):
    """A file cannot be written: no room, or no right to."""


class GenerationError(ViPError):
    """Symptoms cannot be generated: no language model is set up, it does not answer, or not usably."""


class GenerationCancelled(GenerationError):
    """The person who asked for symptoms has called it off."""
