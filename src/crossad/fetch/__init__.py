"""Bringing a run from where it lives into a folder: verified, in parallel, continued where it stopped."""
