"""The pages about clusters, typed literally and in their order: a real control plane, helm, an S3 server.

Every fenced command of these pages runs; only the store's address is another one. Nodes are kwok's: controller and
aggregation run as processes of this machine with what their pods have, trainers commit simulated scores. What a real
kubelet and real trainers make of the same commands, tests/node shows.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import s3servers
from plane import Plane
from podprocesses import PodProcesses
from releaselife import surroundings
from s3servers import Servers
from safetensors.numpy import save_file
from simulatedtrainer import SimulatedTrainer

from crossad.manifests import words
from crossad.results.home import BucketHome
from crossad.store.opening import open_store
from crossad.store.options import S3Options

ROOT = Path(__file__).parents[2]
GUIDE, REFERENCE = "docs/cluster-guide.md", "docs/kubernetes.md"
PAGES = (GUIDE, REFERENCE)
NAMESPACE, BUCKET, SHARED = "crossad", "experiments", "shared"  # as the pages call them
ENDPOINT = "https://s3.example:9000"
FENCE = re.compile(r"^```(\w*)[ ]?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
ASSETS = ("resnet18.a1_in1k", "resnet34.a1_in1k", "wide_resnet50_2.racm_in1k", "vit_base_patch14_reg4_dinov2.lvd142m")
# kwok keeps pods running until somebody ends them
RUNS = "annotations: {kwok.test/ending: runs}"
PLAYED = f"[ ! -f cluster.yaml ] || grep -q kwok cluster.yaml || echo '{RUNS}' >> cluster.yaml"
# a piece of settings in the guide, by its heading -> what is then in the rendered objects, and what is not
PIECES: dict[str, tuple[list[str], list[str]]] = {
    "MIG slices and shared GPUs": (['nvidia.com/mig-1g.10gb: "1"', 'nvidia.com/mig-3g.40gb: "1"'], ["nvidia.com/gpu:"]),
    "Kueue": (["queue-name: gpus", "queue-name: cpus", "priority-class: night"], ["suspend"]),
    "Spot nodes": (["pool: spot", "terminationGracePeriodSeconds: 25", "key: spot"], []),
    "A private certificate authority, a proxy": (["name: site-ca", "AWS_CA_BUNDLE", "HTTPS_PROXY", "s3.example"], []),
    "OpenShift": (["runAsNonRoot: true"], ["runAsUser", "runAsGroup"]),
    "A cluster without the internet": (["s3://shared/weights"], []),
    "Anything else": (["dnsPolicy: Default", 'sidecar.istio.io/inject: "false"'], []),
}


def blocks(page: str) -> list[tuple[str, str, str]]:
    """(language, heading above it, text) of a page's fenced blocks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        assert not match[2], f"{page}: every block of this page runs: {match[2]}"
        found.append((match[1], HEADING.findall(text[: match.start()])[-1], match[3]))
    return found


def script(page: str) -> str:
    """A page's commands, in their order; the morning comes when the controller has ended."""
    night = {"In the morning": "until [ -e morning ]; do sleep 0.2; done\n"}
    texts = [night.get(heading, "") + text for language, heading, text in blocks(page) if language == "bash"]
    return f"\n{PLAYED}\n".join(["set -exo pipefail", *texts, ""])


@dataclass
class Desk:
    """A folder on somebody's laptop, in which a page is typed, and the namespace that it is about."""

    plane: Plane
    folder: Path
    endpoint: str
    environment: dict[str, str] = field(init=False)
    pods: PodProcesses = field(init=False)

    def __post_init__(self) -> None:
        self.environment = surroundings(self.plane, self.folder / "user")
        options = S3Options(endpoint=self.endpoint, region="us-east-1")
        home = BucketHome(open_store(f"s3://{BUCKET}/crossad", options), self.folder / "work")
        self.trainer = SimulatedTrainer(home, self.folder / "trained")
        self.pods = PodProcesses(self.plane, NAMESPACE, self.folder / "pods", home, self.trainer)
        for name in ("conditions", "k8s", "charts"):
            shutil.copytree(ROOT / name, self.folder / name)

    def bash(self, text: str) -> str:
        """What commands print, on both outputs, the cluster's pods at work meanwhile."""
        with (self.folder / "told").open("w+") as told:
            command = ["bash", "-c", text.replace(ENDPOINT, self.endpoint)]
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=told, stderr=told)
            while process.poll() is None:
                self.pods.step()
                if words.CONTROLLER in self.pods.ended:
                    (self.folder / "morning").touch()
            told.seek(0, io.SEEK_SET)
            answer = told.read()
        assert process.returncode == 0, answer[-6000:]
        assert "Traceback" not in answer
        return answer

    def hub(self) -> None:
        """The model hub's cache of this machine, as earlier downloads leave it; the weights are tiny."""
        for name in ASSETS:
            folder = self.folder / f"user/home/.cache/huggingface/hub/models--timm--{name}"
            snapshot = folder / "snapshots/1"
            snapshot.mkdir(parents=True)
            (folder / "refs").mkdir()
            (folder / "refs/main").write_text("1")
            save_file({"a.weight": np.ones(10, np.float32)}, snapshot / "model.safetensors")


@pytest.fixture
def desk(
    plane: Plane, gpu_node: str, servers: Servers, identity: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    endpoint = servers.versitygw
    client = s3servers.owner_client(endpoint)
    for bucket in (BUCKET, SHARED):
        client.create_bucket(Bucket=bucket)
    made = Desk(plane, tmp_path, endpoint)
    made.hub()
    made.bash("crossad synth data/hdmap --size 64x64 --train 4 --test 4")
    yield made
    made.pods.close()
    plane.drop(NAMESPACE)
    plane.until(f"/api/v1/namespaces/{NAMESPACE}", lambda found: found is None, "the namespace is gone")
    for bucket in (BUCKET, SHARED):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", []):
                client.delete_object(Bucket=bucket, Key=entry["Key"])
        client.delete_bucket(Bucket=bucket)
    client.close()


@pytest.mark.timeout(1200)
def test_the_guide_leads_from_a_namespace_to_a_report(desk: Desk) -> None:
    told = desk.bash(script(GUIDE))
    assert "0 wrong" in told
    assert len(desk.trainer.ran) == 16
    assert [one.code for one in desk.pods.ended[words.REPORT]] == [0]
    assert desk.pods.ended[words.CONTROLLER][0].code == 0
    assert "<html" in (desk.folder / "fetched/night1/report/index.html").read_text()


@pytest.mark.timeout(1200)
def test_the_reference_brings_a_run_to_its_report(desk: Desk, volume: Callable[[], None]) -> None:
    volume()
    desk.bash(script(REFERENCE))
    assert len(desk.trainer.ran) == 16
    assert (desk.folder / "here/night1/report/index.html").is_file()


@pytest.fixture
def volume(plane: Plane) -> Iterator[Callable[[], None]]:
    """Makes the volume that the claim of k8s/ is bound to, as an operator does."""

    def make() -> None:
        spec = {
            "capacity": {"storage": "200Gi"},
            "accessModes": ["ReadOnlyMany"],
            "hostPath": {"path": "/images"},
            "claimRef": {"namespace": NAMESPACE, "name": "hdmap"},
        }
        plane.request("POST", "/api/v1/persistentvolumes", {"metadata": {"name": "hdmap"}, "spec": spec})

    yield make
    plane.request("DELETE", "/api/v1/persistentvolumes/hdmap")


def test_each_piece_of_settings_does_what_its_heading_says(plane: Plane, tmp_path: Path) -> None:
    """Added to the settings of the guide's first block; the objects are admitted, and the chart takes the values."""
    pieces = {heading: text for language, heading, text in blocks(GUIDE) if language == "yaml"}
    assert set(pieces) == set(PIECES)
    first = blocks(GUIDE)[0][2]
    environment = surroundings(plane, tmp_path / "user")
    suite = ROOT / "conditions/base.json"

    def bash(text: str) -> None:
        done = subprocess.run(
            ["bash", "-ec", text], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    bash(f"{first}\nkubectl create namespace {NAMESPACE}")
    try:
        for number, (heading, text) in enumerate(pieces.items()):
            settings = tmp_path / f"{number}.yaml"
            settings.write_text((tmp_path / "cluster.yaml").read_text() + text)
            bash(f"crossad render {suite} --settings {settings} -o out/{number} --run night1")
            rendered = "".join(path.read_text() for path in sorted((tmp_path / f"out/{number}").iterdir()))
            there, absent = PIECES[heading]
            assert [one for one in there if one not in rendered] == [], heading
            assert [one for one in absent if one in rendered] == [], heading
            bash(f"helm template night1 {ROOT}/charts/crossad -n x -f {settings} --set-file suite={suite} > /dev/null")
            bash(f"kubectl -n {NAMESPACE} apply --dry-run=server -f out/{number}")
    finally:
        plane.drop(NAMESPACE)
        plane.until(f"/api/v1/namespaces/{NAMESPACE}", lambda found: found is None, "the namespace is gone")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_one_that_runs(page: str) -> None:
    known = {"bash", "yaml"} if page == GUIDE else {"bash"}
    assert {language for language, _, _ in blocks(page)} <= known


@pytest.mark.parametrize("page", ["README.md", "README.ko.md", "charts/crossad/README.md"])
def test_what_other_pages_type_at_a_cluster_is_typed_here(page: str) -> None:
    """Each of their lines is one of the pages above, or the beginning of one."""
    verbs = r"^(?:crossad (?:render|submit)|kubectl|helm) [^#\n`]*"
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [line for _, _, block in FENCE.findall(text) for line in re.findall(verbs, block, re.MULTILINE)]
    lines = {part.strip() for line in found for part in line.split("&&")}
    typed = {line.partition("#")[0].strip() for one in PAGES for line in script(one).splitlines()}
    assert lines, "no line found"
    assert [line for line in sorted(lines) if not any(one.startswith(line) for one in typed)] == []
