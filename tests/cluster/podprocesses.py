"""What a kubelet does with crossad's pods, on fake nodes: containers become processes of this machine.

kwok keeps a pod running whose annotation says `kwok.test/ending: runs`. Here the command of a controller's or an
aggregation's pod is started with the variables and mounted files that the pod has and a token of its account, and kwok
ends the pod with the process's exit code. What a trainer's pod does is a function of the test.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plane import Plane
from trainers import Trainers, component

from crossad.kube.resources import PODS
from crossad.manifests import words
from crossad.results.home import Home

Object = dict[str, Any]
PROGRAM = str(Path(sys.executable).with_name("crossad"))
PATIENCE = 240.0  # seconds of a busy machine; nothing is measured by it
PAUSE = 0.1


@dataclass
class Ended:
    """A container that is over."""

    number: int  # in the order in which containers were started
    pod: str
    code: int
    told: str  # both outputs


@dataclass
class PodProcesses:
    """The containers of one namespace."""

    plane: Plane
    namespace: str
    folder: Path
    home: Home
    train: Callable[[Object], int]  # what a trainer's pod does; its exit code
    held: bool = False  # trainers are at work, and none ends
    ended: dict[str, list[Ended]] = field(default_factory=dict)  # component -> its containers
    _alive: dict[str, tuple[Object, subprocess.Popen[bytes]]] = field(default_factory=dict)  # by the pod's uid
    _started: list[str] = field(default_factory=list)  # uids

    def __post_init__(self) -> None:
        self._pods = Trainers(self.plane, self.namespace, self.home)

    def until(self, what: str, look: Callable[[], Any]) -> Any:
        """The first answer that is not empty, the pods at work meanwhile."""
        end = time.monotonic() + PATIENCE
        while not (found := look()):
            told = {name: [(one.code, one.told[-800:]) for one in ended] for name, ended in self.ended.items()}
            assert time.monotonic() < end, f"{what}: not seen; ended: {told}"
            self.step()
        return found

    def step(self) -> None:
        """Start what is new, stop what was taken away, end what has ended."""
        pods = {pod["metadata"]["uid"]: pod for pod in self._running()}
        for uid, (pod, process) in list(self._alive.items()):
            if uid not in pods:
                process.terminate()
                self._over(uid, pod, process.wait())
            elif (code := process.poll()) is not None:
                self._over(uid, pod, code)
                self._pods.end(pod, code)
        for uid, pod in pods.items():
            if component(pod) != words.TRAINER:
                self._start(uid, pod)
            elif not self.held:
                self._pods.end(pod, self.train(pod))
        time.sleep(PAUSE)

    def close(self) -> None:
        """End all processes."""
        for _, process in self._alive.values():
            process.kill()
            process.wait()

    def _running(self) -> Iterator[Object]:
        query = "?labelSelector=app.kubernetes.io/name=crossad&fieldSelector=status.phase=Running"
        for pod in self.plane.request("GET", PODS.path(self.namespace) + query)["items"]:
            told = pod["metadata"].get("annotations", {}).get("kwok.test/ending")
            if told == "runs" and "deletionTimestamp" not in pod["metadata"]:
                yield pod

    def _over(self, uid: str, pod: Object, code: int) -> None:
        del self._alive[uid]
        name = pod["metadata"]["name"]
        told = (self.folder / name / "output").read_text()
        self.ended.setdefault(component(pod), []).append(Ended(self._started.index(uid), name, code, told))

    def _start(self, uid: str, pod: Object) -> None:
        name = pod["metadata"]["name"]
        root = self.folder / name
        if root.exists():  # it was started before
            return
        (container,) = pod["spec"]["containers"]
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        # its identity comes by a kubeconfig
        mounts = [one for one in container["volumeMounts"] if not one["mountPath"].startswith("/var/run/secrets")]
        places = {mount["mountPath"]: root / mount["mountPath"].strip("/") for mount in mounts}
        for mount in mounts:
            self._fill(volumes[mount["name"]], places[mount["mountPath"]])

        def here(text: str) -> str:
            for place in sorted(places, key=len, reverse=True):
                if text == place or text.startswith(f"{place}/"):
                    return f"{places[place]}{text.removeprefix(place)}"
            return text

        command = [PROGRAM if word == "crossad" else here(word) for word in (*container["command"], *container["args"])]
        given = {one["name"]: here(one.get("value") or self._field(pod, one)) for one in container["env"]}
        # a pod has nothing of this machine's identity
        usual = {key: text for key, text in os.environ.items() if not key.startswith("AWS_")}
        environment = {**usual, "AWS_EC2_METADATA_DISABLED": "true", "KUBECONFIG": str(self._kubeconfig(pod)), **given}
        with (root / "output").open("wb") as output:
            process = subprocess.Popen(command, env=environment, cwd=root, stdout=output, stderr=output)
        self._alive[uid] = pod, process
        self._started.append(uid)

    @staticmethod
    def _field(pod: Object, variable: Object) -> str:
        """A variable that a label of the pod tells: metadata.labels['NAME']."""
        path = variable["valueFrom"]["fieldRef"]["fieldPath"]
        return str(pod["metadata"]["labels"][path.partition("'")[2].rpartition("'")[0]])

    def _fill(self, volume: Object, place: Path) -> None:
        place.mkdir(parents=True)
        sources = volume["projected"]["sources"] if "projected" in volume else [volume]
        for source in sources:
            if (told := source.get("configMap")) is not None:
                found = self.plane.request("GET", f"/api/v1/namespaces/{self.namespace}/configmaps/{told['name']}")
            elif (told := source.get("secret")) is not None:
                path = f"/api/v1/namespaces/{self.namespace}/secrets/{told['secretName']}"
                found = {"binaryData": self.plane.request("GET", path)["data"]}
            else:
                assert "emptyDir" in source, source
                continue
            for key, text in found.get("data", {}).items():
                (place / key).write_text(text)
            for key, packed in found.get("binaryData", {}).items():
                (place / key).write_bytes(base64.b64decode(packed))

    def _kubeconfig(self, pod: Object) -> Path:
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{pod['spec']['serviceAccountName']}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        return self.plane.kubeconfig(self.plane.request("POST", path, asked)["status"]["token"], self.namespace)
