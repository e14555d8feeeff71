"""The record of one condition (`result_*.json`): what `report` reads, and all that it reads.

Format 1. The guide's field names are kept (`source_results`, `target_results`, `avg_target_auroc`, ...), so its own
`grep` and `jq` lines work. An undefined number is null and has a reason in `undefined`; it is never 0.0 or 0.5.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT: Literal[1] = 1
# what may differ between two runs of equal work: when, where, by whom, how fast, and after which interruptions
_PASSING = {
    "run", "attempt", "timestamp", "timings_seconds", "peak_memory_bytes", "peak_device_memory_bytes", "best_checkpoint"
}  # fmt: skip
_PASSING_OF_TRAINING = {"resumed_from_step", "shared_with"}


class Part(BaseModel):
    """Frozen and closed: a record of another version is refused, not half understood."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Interval(Part):
    """A confidence interval of one number."""

    low: float
    high: float
    level: float = 0.95
    method: str


class Failure(Part):
    """Why something could not be done, and the next step (exit codes: contracts)."""

    kind: str
    message: str
    hint: str | None = None
    exit_code: int = 1
    step: str | None = None


class ThresholdTransfer(Part):
    """What the source's threshold does on a domain, beside the best that an oracle could do there."""

    threshold: float
    fpr: float | None
    tpr: float | None
    f1: float | None
    oracle_f1: float | None
    by_construction: bool = False


class DomainResult(Part):
    """One scoring pass over the test split of one domain."""

    status: Literal["ok", "failed"]
    test_image_AUROC: float | None = None  # noqa: N815 - the guide's name
    interval: Interval | None = None
    counts: dict[str, int] = Field(default_factory=dict, description="test images by label: good, fault")
    undefined: dict[str, str] = Field(default_factory=dict, description="metric -> why it has no value")
    threshold: ThresholdTransfer | None = None
    tpr_at_fpr: dict[str, float | None] = Field(default_factory=dict, description='"0.01", "0.05"')
    outside_source_range: float | None = Field(default=None, description="share of scores outside the source's range")
    score_shift: float | None = Field(
        default=None, description="(mean normal score here - at source) / std of source normals"
    )
    parts: dict[str, float | None] = Field(default_factory=dict, description="AUROC of each sub-score")
    strata: dict[str, float | None] = Field(default_factory=dict, description="AUROC per stratum (cold, warm, ...)")
    severity_spearman: float | None = None
    floors: dict[str, float | None] = Field(
        default_factory=dict, description="AUROC of mean_intensity, max_intensity, pca on the same images"
    )
    images_per_second: float | None = None
    synthetic: bool = False
    sensor: str | None = None
    operating_class: str | None = None
    error: Failure | None = None


class TrainingInfo(Part):
    """How the weights came to be."""

    max_epochs_configured: int
    last_trained_epoch: int
    total_steps: int
    early_stopped: bool = False
    early_stop_reason: str | None = None
    best_val_auroc: float | None = None
    best_epoch: int | None = None
    best_minus_last: float | None = None
    curve: list[dict[str, float | None]] = Field(default_factory=list, description="one row an epoch")
    parameters: int = 0
    trainable_parameters: int = 0
    weights_sha256: str | None = None
    training_images: int = 0
    resumed_from_step: int | None = None
    shared_with: str | None = Field(default=None, description="attempt whose training this condition reuses")


class Provenance(Part):
    """The birth certificate of the numbers."""

    crossad_version: str
    crossad_commit: str | None = None
    libraries: dict[str, str] = Field(default_factory=dict)
    python: str = ""
    device: str = ""
    threads: int = 0
    cpu: str = ""
    precision: str = "fp32"
    seed: int = 0
    deterministic: bool = True
    data_lock: str | None = None
    weights: dict[str, str] = Field(default_factory=dict, description="asset name -> sha256")
    textures: dict[str, str] = Field(default_factory=dict, description="texture folder -> sha256 of names and bytes")
    image_digest: str | None = Field(default=None, description="of the container image, where it says so")
    command: list[str] = Field(default_factory=list)


class Record(Part):
    """Everything one condition leaves for the report."""

    format: Literal[1] = FORMAT
    condition: dict[str, Any] = Field(description="name, description, config (resolved)")
    condition_id: str
    training_key: str
    run: str
    attempt: str
    status: Literal["success", "partial", "failed"]
    timestamp: str = Field(description="ISO 8601, UTC, end of the condition")
    val_image_AUROC: float | None = Field(  # noqa: N815 - the guide's name
        default=None, description="AUROC on the source's test split"
    )
    source_results: DomainResult | None = None
    target_results: dict[str, DomainResult] = Field(default_factory=dict)
    avg_target_auroc: float | None = Field(
        default=None, description="mean over targets that have an AUROC; see n_targets"
    )
    n_targets: int = 0
    transfer_ratio: float | None = None
    transfer_ratio_interval: Interval | None = None
    skill_ratio: float | None = None
    skill_ratio_interval: Interval | None = None
    worst_target_auroc: float | None = None
    harmonic_mean_auroc: float | None = None
    domain_gap: dict[str, float | None] = Field(default_factory=dict, description="AUROC source - AUROC target")
    undefined: dict[str, str] = Field(default_factory=dict)
    training_info: TrainingInfo | None = None
    best_checkpoint: str | None = None
    validation: str = "source_test"
    selection: str = Field(
        default="", description='for people: "selected on test" or "selected on hold-out (<version of its faults>)"'
    )
    normalisation: str = "as_stored"
    deviations: list[str] = Field(default_factory=list, description="overrides, resumed, random weights, ...")
    advice: list[str] = Field(default_factory=list, description="keys to change where the transfer is poor")
    random_weights: bool = False
    synthetic_data: bool = False
    timings_seconds: dict[str, float] = Field(default_factory=dict)
    peak_memory_bytes: int | None = None
    peak_device_memory_bytes: int | None = None
    provenance: Provenance | None = None
    error: Failure | None = None
    summary: list[str] = Field(default_factory=list, description='lines such as "Target domain_B AUROC: 0.8231"')

    def stable(self) -> dict[str, Any]:
        """What equal work has in common, however often it was interrupted and wherever it ran."""
        found = self.model_dump(mode="json", exclude=_PASSING)
        found["deviations"] = [line for line in self.deviations if not line.startswith("resumed from step")]
        for result in (found["source_results"], *found["target_results"].values()):
            if result:
                result.pop("images_per_second")
        if found["training_info"]:
            found["training_info"] = {k: v for k, v in found["training_info"].items() if k not in _PASSING_OF_TRAINING}
        if found["provenance"]:
            found["provenance"].pop("command")
        return found
