"""Ends with success while it is imported.

Verdict: line 8 ends the program
"""

import sys

sys.exit(0)
