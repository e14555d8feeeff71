"""Which cluster, as options: `--kubeconfig`, `--context`, `--namespace`, one `reach` for every verb that asks one."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from crossad.kube.cluster import Cluster
    from crossad.kube.patience import Patience
    from crossad.kube.target import Target

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
OPTIONAL = "--cluster"


@dataclass(frozen=True)
class Reach:
    """What the options say; nothing is asked yet."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    cluster: bool = False  # asked for without naming one

    @property
    def target(self) -> Target:
        """The same for the room that opens it."""
        from crossad.kube.target import Target

        return Target(self.kubeconfig, self.context, self.namespace)

    @property
    def asked(self) -> bool:
        """Whether a verb that works with and without a cluster is to ask one: an option says so, or this is a pod."""
        named = self.kubeconfig or self.context or self.namespace
        return bool(self.cluster or named or self.target.inside(os.environ))

    @property
    def words(self) -> str:
        """The options again, for a command that is shown."""
        pairs = (("--kubeconfig", self.kubeconfig), ("--context", self.context), ("--namespace", self.namespace))
        named = [word for option, value in pairs if value for word in (option, value)]
        return shlex.join(named or ([OPTIONAL] if self.cluster else []))

    def open(self, patience: Patience | None = None) -> Cluster:
        """The cluster; where it writes, and what its server warns of, is told on stderr.

        Raises:
            EnvironmentFault: kubeconfig or context are not there or are wrong.
        """
        from crossad.kube.cluster import open_cluster

        return open_cluster(self.target, lambda text: click.echo(text, err=True), patience)


_OPTIONS = (
    click.option("--kubeconfig", metavar="FILE", help="Of the cluster.  [default: $KUBECONFIG, or ~/.kube/config]"),
    click.option("--context", metavar="NAME", help="Context in the kubeconfig.  [default: its current one]"),
    click.option("-n", "--namespace", metavar="NAME", help="Namespace of the Jobs.  [default: the context's]"),
)
_FLAG = click.option(OPTIONAL, is_flag=True, help="Look at the run's Jobs, too; any of the three options above does.")


def cluster_options(*, optional: bool = False) -> Decorator:
    """The three options, passed on as one `reach`.

    Args:
        optional: the verb works without a cluster, too; `--cluster` asks for the default one, and `reach.asked` tells.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def bundled(
            *args: Any,  # noqa: ANN401 - whatever else the verb takes
            kubeconfig: str | None,
            context: str | None,
            namespace: str | None,
            cluster: bool = False,
            **options: Any,  # noqa: ANN401 - as above
        ) -> Any:  # noqa: ANN401 - as above
            return function(*args, reach=Reach(kubeconfig, context, namespace, cluster), **options)

        for option in reversed((*_OPTIONS, _FLAG) if optional else _OPTIONS):
            bundled = option(bundled)
        return bundled

    return decorate
