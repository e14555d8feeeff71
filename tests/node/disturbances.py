"""What goes wrong in a night on a real node, and what is seen of it from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clients import ended
from diary import Diary
from nodeworld import PATIENCE, World, carried
from processes import wait_for
from realnode import NAME

from crossad.manifests import words
from crossad.results.checkpoints import Checkpoint

Pod = dict[str, Any]


@dataclass(frozen=True)
class Disturber:
    """Disturbs one run of a namespace, and writes down what it did."""

    world: World
    run: str
    diary: Diary
    _labels: dict[str, dict[str, str]] = field(default_factory=dict)  # condition -> of its Job

    def kill(self, condition: str) -> None:
        """End a trainer's own processes as the kernel would, out of memory."""
        pod = self.running(words.TRAINER, condition)
        uid, killed = pod["metadata"]["uid"], 0
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if uid in (process / "cgroup").read_text() and b"crossad" in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
                    killed += 1
        assert killed, f"no process of {pod['metadata']['name']} on this machine"
        self.diary.tell(f"SIGKILL to the trainer of {condition}")

    def delete(self, component: str, condition: str = "") -> None:
        """Delete a pod."""
        name = self.running(component, condition)["metadata"]["name"]
        self._kubectl("delete", "pod", name, "--wait=false")
        self.diary.tell(f"kubectl delete pod {name}")

    def drain(self) -> None:
        """Drain the node: every pod is evicted, and none finds a place."""
        self.diary.tell(f"kubectl drain {NAME}")
        told = self._kubectl("drain", NAME, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=180s")
        self.diary.show(told)

    def uncordon(self) -> None:
        """Give the node back."""
        self._kubectl("uncordon", NAME)
        self.diary.tell(f"kubectl uncordon {NAME}")

    @contextlib.contextmanager
    def api_server_down(self) -> Iterator[None]:
        """No API server; afterwards another process of it on the same etcd."""
        plane = self.world.node.plane
        plane.server.kill()
        self.diary.tell("SIGKILL to the API server")
        yield
        wait_for("kube-apiserver", plane.ready, plane.server.start())
        self.diary.tell("the API server answers again")

    @contextlib.contextmanager
    def store_down(self) -> Iterator[None]:
        """No S3 server; afterwards another process of it on the same objects."""
        server = self.world.node.bucket.server
        server.kill()
        self.diary.tell("SIGKILL to the S3 server")
        yield
        server.start()
        self.diary.tell("the S3 server is started again")

    def look(self) -> None:
        """Write down what `kubectl get` shows now."""
        self.diary.tell("kubectl get jobs,pods")
        self.diary.show(self._kubectl("get", "jobs,pods"))

    def running(self, component: str, condition: str = "") -> Pod:
        """A component's pod that runs, once there is one."""
        labels = f"{words.COMPONENT}={component}"
        labels += f",{words.CONDITION}={self.label(condition, words.CONDITION)}" if condition else ""
        path = f"/api/v1/namespaces/{self.world.namespace}/pods?labelSelector={labels}"

        def found() -> Pod | None:
            pods: list[Pod] = self.world.node.plane.request("GET", path)["items"]
            alive = (pod for pod in pods if "deletionTimestamp" not in pod["metadata"])
            return next((pod for pod in alive if pod["status"]["phase"] == "Running"), None)

        return self.until(f"a pod of {condition or component} runs", found)

    def job(self, condition: str) -> dict[str, Any]:
        """A condition's Job, once there is one."""

        def found() -> dict[str, Any] | None:
            jobs = self.world.jobs().values()
            return next((job for job in jobs if condition in carried(job)), None)

        return self.until(f"there is a Job of {condition}", found)

    def label(self, condition: str, label: str) -> str:
        """What a label of a condition's Job says; remembered, for when there is no API server."""
        if condition not in self._labels:
            self._labels[condition] = self.job(condition)["metadata"]["labels"]
        return self._labels[condition][label]

    def attempts(self, condition: str) -> int:
        """How many trainers of a condition have told the store that they work."""
        return len(self._objects(f"runs/{self.run}/live/{self.label(condition, words.CONDITION)}/*.json"))

    def saved(self, condition: str, beyond: int = 0) -> int:
        """The step of a condition's newest state in the store, once that lies beyond another one."""
        pattern = f"checkpoints/{self.label(condition, words.TRAINING)}*/*.json"

        def found() -> int | None:
            newest = 0
            for path in self._objects(pattern):
                with contextlib.suppress(FileNotFoundError):  # replaced, or removed because the training is over
                    newest = max(newest, Checkpoint.model_validate_json(path.read_bytes()).step)
            over = ended(self.job(condition))
            assert not over, f"{condition} is {over} before it could be disturbed: give it more steps"
            return newest if newest > beyond else None

        return self.until(f"a state of {condition} is in the store", found)

    def until(self, what: str, look: Callable[[], Any]) -> Any:
        """The first answer that is not empty."""
        end = time.monotonic() + PATIENCE
        while not (found := look()):
            assert time.monotonic() < end, f"not seen: {what}\n{self.world.node.told(self.world.namespace)}"
            time.sleep(0.2)
        return found

    def _objects(self, pattern: str) -> list[Path]:
        return list(self.world.node.bucket.files.glob(f"{self.world.prefix}/{pattern}"))

    def _kubectl(self, *given: str) -> str:
        return self.world.node.plane.kubectl(*given, namespace=self.world.namespace)


def failures(job: dict[str, Any]) -> int:
    """How many attempts counted against a Job."""
    return int(job["status"].get("failed", 0))
