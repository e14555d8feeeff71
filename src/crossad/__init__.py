"""Multi-domain anomaly-detection transfer experiments, on one machine or as Kubernetes batch jobs."""

from crossad.api import run_experiment
from crossad.version import __version__

__all__ = ["__version__", "run_experiment"]
