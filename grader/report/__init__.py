"""Renderings of a Verdict: for the terminal and for machines. Each is a pure function of the same data."""
