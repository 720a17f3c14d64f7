"""From a stub to its verdict: data in, data out. Nothing here runs what a student wrote."""
