"""Weights and textures in a store, pinned by hash, and from there in a cache of this machine: no hub is asked."""
