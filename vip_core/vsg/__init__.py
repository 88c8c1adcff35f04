"""The visual symptom generator: a language model writes each class's visual symptoms."""
