"""The answer key: what is expected, where it comes from, and when an answer agrees with it."""
