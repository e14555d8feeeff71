"""The checks of `crossad doctor`, a file for each part of the world that a run needs."""
