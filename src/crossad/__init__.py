"""Multi-domain anomaly-detection transfer experiments, on one machine or as Kubernetes batch jobs."""

from crossad.api import run_experiment

__all__ = ["__version__", "run_experiment"]
__version__ = "0.1.0"
