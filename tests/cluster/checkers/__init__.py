"""What a cluster promises its clients, as checks of a history and a final dump.

Each check is a function of both that yields violations. tests/cluster/README.md says what is in the
files, and what is checked.
"""
