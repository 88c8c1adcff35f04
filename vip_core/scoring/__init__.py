"""From an image to an explained diagnosis."""
