"""Every name that cluster objects and those who read them share: labels, annotations, variables, folders."""

from __future__ import annotations

PREFIX = "crossad.github.io"

# labels: hashes and ids alone, because names may be any text
RUN = f"{PREFIX}/run"  # run_hash of the run's name
TRAINING = f"{PREFIX}/training"  # training key: conditions that share it share a Job
CONDITION = f"{PREFIX}/condition"  # condition id; of a shared Job, that of its first condition
GENERATION = f"{PREFIX}/generation"  # 1, and one more with each retry
COMPONENT = "app.kubernetes.io/component"
TRAINER, REPORT, CONTROLLER, PLAN = "trainer", "report", "controller", "plan"  # components, and container names
COMMON = {"app.kubernetes.io/name": "crossad", "app.kubernetes.io/part-of": "crossad"}

ANCHOR = "anchor"  # component of the object that owns a run's Jobs

# annotations
RUN_NAME = f"{PREFIX}/run-name"
CONDITIONS = f"{PREFIX}/conditions"  # JSON: [{"experiment": 0, "id": "…", "name": "…"}, …]
SPEC = f"{PREFIX}/spec-sha256"  # hash of everything that decides the object; its first characters are in the name

# Kueue
QUEUE = "kueue.x-k8s.io/queue-name"
QUEUE_PRIORITY = "kueue.x-k8s.io/priority-class"

# inside a pod
PLAN_VARIABLE = "CROSSAD_PLAN"
JOB_VARIABLE = "CROSSAD_JOB"  # uid of the Job that a pod of the aggregation or the controller belongs to
DATA, CACHE, SCRATCH, WEIGHTS, SHARDS = "/data", "/cache", "/scratch", "/weights", "/plan"
CREDENTIALS, CERTIFICATES = "/etc/crossad/credentials", "/etc/crossad/ca"
RESULTS = f"{SCRATCH}/results"

ACCOUNTS = {REPORT: "crossad-report", CONTROLLER: "crossad-controller"}
