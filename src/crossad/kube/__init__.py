"""Objects of a Kubernetes cluster, as plain JSON: asked for, created once, listed in pages, explained.

The only room that knows a cluster, and `connection.py` its only file that imports the client library. It knows no
condition, no plan and no store: what a Job is for is somebody else's business.
"""
