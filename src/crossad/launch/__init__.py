"""Starts and watches trainer processes on this machine. It never imports the trainer: it spawns it."""
