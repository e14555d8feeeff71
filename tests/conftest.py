"""Shared by all rooms: nothing here imports torch."""

from __future__ import annotations
