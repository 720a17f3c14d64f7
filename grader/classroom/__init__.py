"""A class of untrusted submissions: what arrives, how it is graded, and what comes of it."""
