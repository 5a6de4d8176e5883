"""The rule that decides between two versions: pure numpy, and scipy for one function of Lambert.

confidence: bounds of a mean that hold at all times. blocks: means of units that depend on one another. rule: what the
bounds say of a candidate.
"""
