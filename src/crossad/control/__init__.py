"""The cluster's side of a run: creates its Jobs, watches them, tells where they stand, waits for the report."""
