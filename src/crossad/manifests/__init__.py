"""Cluster objects as plain dicts: a plan and settings in, Jobs and what they need out.

The one author of every object that crossad puts into a cluster: `crossad render` writes them as files, `submit` and
`control` create the same. Pure: no cluster, no store, no clock, no environment.
"""
