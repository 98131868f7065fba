"""
Matching what two systems hold already: who could be whom, how surely, and why.

Pure values. Nothing here links anything: a number that is the same in one place only may be taken
over by itself (`judge.EXACT`), all else is proposed and a person decides.
"""

RULES = "1"
"""Which rules these are: what was found by others is found again."""
