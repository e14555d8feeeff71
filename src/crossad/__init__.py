"""Multi-domain anomaly-detection transfer experiments, on one machine or as Kubernetes batch jobs."""

__version__ = "0.1.0"
