from __future__ import annotations

from pathlib import Path

import pytest

from crossad.conditions.suite import load_suite
from crossad.manifests.load import parse_settings
from crossad.manifests.planning import make_plan
from crossad.manifests.settings import Settings
from crossad.results.plan import Plan

ROOT = Path(__file__).parents[2]
DIGEST = "sha256:" + "0123456789abcdef" * 4
MINIMAL = f"""
images: {{trainer: "reg.example/trainer@{DIGEST}", controller: "reg.example/slim@{DIGEST}"}}
store: {{uri: "s3://bucket/prefix"}}
data: {{claim: hdmap}}
"""
# every part of the settings says something
FULL = f"""
namespace: lab-7
images:
  trainer: reg.example/trainer@{DIGEST}
  controller: reg.example/slim@{DIGEST}
  pullPolicy: Always
  pullSecrets: [registry, mirror]
store:
  uri: s3://bucket/prefix
  options: {{endpoint: "https://s3.example:9000", threads: 2}}
  secret: s3-keys
  secretKey: aws
data:
  uri: s3://images/hdmap
  options: {{profile: images}}
  domains: [domain_A, domain_B, domain_C, domain_D]
weights: {{claim: weights, subPath: hub}}
volumes: {{cacheClaim: cache, scratch: 30Gi, tmp: 1Gi, shm: 4Gi}}
resources: {{gpuResource: nvidia.com/mig-1g.10gb, cpu: 6, memory: 20Gi, nodeSelector: {{disk: ssd}}}}
models: {{dinomaly: {{memory: 48Gi, gpuCount: 2}}}}
placement:
  nodeSelector: {{pool: gpu}}
  tolerations: [{{key: spot, operator: Exists}}]
  affinity: {{nodeAffinity: {{preferredDuringSchedulingIgnoredDuringExecution: []}}}}
  priorityClassName: low
  runtimeClassName: nvidia
  schedulerName: binpack
security: {{runAsUser: 1000700000, runAsGroup: null, fsGroup: 2000, supplementalGroups: [3000]}}
labels: {{team: vision}}
annotations: {{sidecar.istio.io/inject: "false"}}
queue: {{name: gpus, priorityClass: night, system: cpus}}
proxies: {{https: "http://proxy.example:3128", exceptFor: [.svc, 10.0.0.0/8]}}
ca: {{configMap: site-ca, key: bundle.pem}}
serviceAccount: s3-identity
podOverlay:
  metadata: {{annotations: {{team/cost: "7"}}}}
  spec:
    tolerations: [{{key: maintenance, operator: Exists}}]
    containers:
      - name: trainer
        env: [{{name: NCCL_DEBUG, value: WARN}}, {{name: USER, value: somebody}}]
        volumeMounts: [{{name: textures, mountPath: /textures, readOnly: true}}]
    volumes: [{{name: textures, persistentVolumeClaim: {{claimName: dtd}}}}]
job: {{backoffLimit: 5, ttlSeconds: 1000000, graceSeconds: 120, checkpointSeconds: 60}}
report:
  deadlineSeconds: 100000
  placement: {{nodeSelector: {{pool: system}}}}
  podOverlay: {{spec: {{containers: [{{name: report, env: [{{name: TZ, value: Asia/Seoul}}]}}]}}}}
control: {{maxActive: 50, startDeadlineSeconds: 3600}}
"""


@pytest.fixture
def minimal() -> Settings:
    return parse_settings("minimal.yaml", MINIMAL)


@pytest.fixture
def full() -> Settings:
    return parse_settings("full.yaml", FULL)


@pytest.fixture
def plan(minimal: Settings) -> Plan:
    suite = load_suite(ROOT / "conditions/base.json")
    return make_plan(suite.name, suite.conditions, minimal, "night1")
