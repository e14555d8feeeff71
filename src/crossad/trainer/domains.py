"""The images a condition needs, domain by domain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossad.conditions.identity import evaluation_domains
from crossad.conditions.model import Config
from crossad.conditions.plan import Part, condition_parts
from crossad.data.layout import DomainFacts, ImageFile, domain_facts, limit, list_images
from crossad.data.normalise import Statistics, statistics
from crossad.data.reader import read
from crossad.errors import CrossadError, DataError, MissingInputError
from crossad.seeds import generator
from crossad.store.faults import StoreMissing
from crossad.trainer.loader import ImageSource, Preprocessing

LIMIT_SEED = 0  # one draw for all conditions: `limit_images` must pick the same images whatever a condition's seed is


@dataclass(frozen=True)
class Domains:
    """Opens splits of the data root as a condition wants them."""

    root: Path
    config: Config
    bring: Callable[[Sequence[Part]], object] = lambda _: None  # has packed images here; a folder's always are
    _statistics: dict[str, Statistics] = field(default_factory=dict, compare=False, repr=False)  # by domain
    _brought: dict[str, CrossadError | None] = field(default_factory=dict, compare=False, repr=False)  # by domain

    def files(self, domain: str, split: str) -> tuple[ImageFile, ...]:
        """The image files of one split, cut to `limit_images` per label.

        Raises:
            MissingInputError: the domain or the split is not there.
            DataError: the split has no images.
        """
        self._require(domain)
        files = list_images(self.root, domain, split)
        if not files:
            raise DataError(f"no images: {self.root / domain / split}", hint=f"run 'crossad data check {self.root}'")
        return limit(files, self.config.limit_images, LIMIT_SEED) if self.config.limit_images else files

    def _require(self, domain: str) -> None:
        """Have the images of the whole condition here at the first need: no room is told before hours of work.

        Images that are damaged or gone are their domain's fault alone, told when that domain is asked for.
        """
        if not self._brought:
            parts, faults = condition_parts(self.config), dict.fromkeys(evaluation_domains(self.config))
            try:
                self.bring(parts)
            except (DataError, MissingInputError):
                faults = {name: self._fault([part for part in parts if part[0] == name]) for name in faults}
            self._brought.update(faults)
        if fault := self._brought.get(domain):
            raise fault

    def _fault(self, parts: Sequence[Part]) -> CrossadError | None:
        """What is wrong with the images of some parts."""
        try:
            self.bring(parts)
        except StoreMissing:
            raise
        except (DataError, MissingInputError) as fault:
            return fault
        return None

    def training_files(self) -> tuple[tuple[ImageFile, ...], tuple[ImageFile, ...]]:
        """(fit on, held out): the source's normals, split by seed where the validation is a hold-out."""
        files = self._normals(self.config.source_domain)
        ratio = self.holdout_ratio
        if ratio is None:
            return files, ()
        count = max(1, round(ratio * len(files)))
        if count >= len(files):
            raise DataError(
                f"nothing left to fit on: {len(files)} normal image(s) in {self.config.source_domain}/train,"
                f" hold-out ratio {ratio}",
                hint="lower config.val_split_ratio, or add training images",
            )
        held = set(generator(self.config.seed, "holdout").permutation(len(files))[:count].tolist())
        return (
            tuple(file for index, file in enumerate(files) if index not in held),
            tuple(file for index, file in enumerate(files) if index in held),
        )

    def _normals(self, domain: str) -> tuple[ImageFile, ...]:
        """The good images of a domain's training split.

        Raises:
            MissingInputError: the domain or the split is not there.
            DataError: it has none.
        """
        files = tuple(file for file in self.files(domain, "train") if file.label == 0)
        if not files:
            raise DataError(
                f"no normal images: {self.root / domain / 'train' / 'good'}",
                hint=f"run 'crossad data check {self.root}'",
            )
        return files

    def upsampled(self, domains: Iterable[str]) -> list[str]:
        """Sentences about domains whose first test image is smaller than the network's input."""
        height, width = self.config.image_size
        found: dict[tuple[int, int], list[str]] = {}
        for domain in domains:
            native = read(self.files(domain, "test")[0].path).native
            if native[0] < height or native[1] < width:
                found.setdefault(native, []).append(domain)
        return [
            f"upsampled: {', '.join(names)} from {native[0]}x{native[1]} to {height}x{width}"
            for native, names in found.items()
        ]

    @property
    def holdout_ratio(self) -> float | None:
        """Share of the source's normals that is held out, or None where the source's test set validates."""
        return self.config.val_split_ratio if self.config.validation == "holdout" else None

    def open(self, files: tuple[ImageFile, ...], domain: str) -> ImageSource:
        """A reader over files of one domain."""
        return ImageSource(files, self.preprocessing(domain), workers=self.config.num_workers)

    def preprocessing(self, domain: str) -> Preprocessing:
        """Size and normalisation for one domain; only `source_stats` and `domain_stats` read the training split."""
        mode = self.config.normalisation
        found: Statistics | None = None
        if mode in ("source_stats", "domain_stats"):
            of = self.config.source_domain if mode == "source_stats" else domain
            if of not in self._statistics:
                self._statistics[of] = statistics(self._normals(of))
            found = self._statistics[of]
        return Preprocessing(self.config.image_size, mode, found)

    def facts(self, domain: str) -> DomainFacts:
        """What is known of a domain: sensor, operating class, whether it is synthetic."""
        self._require(domain)
        return domain_facts(self.root, domain)
