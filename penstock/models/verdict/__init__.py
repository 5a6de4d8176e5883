"""The rule that decides between two versions: pure numpy."""
