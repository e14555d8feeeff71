# Two commands on a fresh machine: `make demo` and `make test`. Everything else is a part of them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
CACHE ?= .cache
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(CACHE)/uv/bin/uv
DEMO ?= demo
SBOM ?= dist
# importing torch and anomalib compiles thousands of files: keep what was compiled, whatever the shell says
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## Show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(UV):
	@$(PYTHON) -m venv $(CACHE)/uv
	@$(CACHE)/uv/bin/pip install --quiet 'uv>=0.9'

$(VENV)/.ready: requirements/dev.txt pyproject.toml | $(UV)
	@echo "setting up $(VENV) (torch and its libraries are about 6 GB)"
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@$(UV) pip sync --quiet --python $(BIN)/python requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready  ## Create the virtual environment from the locked requirements

.PHONY: demo
demo: setup  ## Synthesise four domains, run conditions/smoke.json, write the report
	@$(BIN)/crossad synth $(DEMO)/data --preset easy --size native --format tiff
	@$(BIN)/crossad run conditions/smoke.json --data $(DEMO)/data --results-dir $(DEMO)/results --gpus cpu --jobs 2

# lint first, for it fails soonest; then Go compiles while packages and image layers wait for network and disk. Of the
# tests' processes (JOBS), one is with the real node for a long time, and waits for it: hence one more than two cores.
.PHONY: test
test: setup lint  ## Check and test everything, warnings as errors (JOBS=3: processes of the tests)
	@$(MAKE) --no-print-directory --jobs=4 browser servers checkers cluster images
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(or $(JOBS),3)

# Debian's packages, where root may; two targets may want some at once, and apt's own lock does not wait
define install
[ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null || { mkdir -p $(CACHE) && flock $(CACHE)/apt.lock sh -c \
	    'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1)'; } > /dev/null
endef

.PHONY: servers
servers: setup  ## Build the S3 server that the tests of the store talk to (once, kept in the cache)
	@CACHE=$(CACHE) $(BIN)/python tests/servers/serverbuild.py versitygw >/dev/null

.PHONY: checkers
checkers: setup  ## Set up what checks the Kubernetes objects: kubeconform, checkov (once, kept in the cache)
	@CACHE=$(CACHE) $(BIN)/python tests/tools/toolbuild.py >/dev/null

.PHONY: cluster
cluster: setup  ## Build the Kubernetes control plane that tests run against (once, minutes, kept in the cache)
	@CACHE=$(CACHE) $(BIN)/python tests/cluster/clusterbuild.py >/dev/null

# root on Debian installs what builds images without a container engine, and what runs a real node
NODE_PACKAGES := buildah debootstrap runc containerd containernetworking-plugins iptables conntrack socat ethtool iproute2
.PHONY: images
images: setup  ## Build both images of the Dockerfile, as root without a container engine (minutes, kept in the cache)
	@{ command -v buildah && command -v containerd && command -v debootstrap; } > /dev/null || $(call install,$(NODE_PACKAGES))
	@CACHE=$(CACHE) $(BIN)/python tests/images/imagebuild.py > /dev/null

.PHONY: sbom
sbom: images  ## Write both images' bills of materials (CycloneDX) to dist/
	@test -x $(CACHE)/sbom/bin/python || $(UV) venv --quiet --python $(PYTHON) $(CACHE)/sbom
	@$(UV) pip sync --quiet --require-hashes --python $(CACHE)/sbom/bin/python requirements/sbom.txt
	@CACHE=$(CACHE) $(CACHE)/sbom/bin/python tests/images/materials.py $(SBOM)

# the report page is tested in Debian's Chromium: root installs it, others use theirs or are told what is left out
.PHONY: browser
browser:
	@command -v chromium > /dev/null || $(call install,chromium)
	@command -v chromium > /dev/null || echo "no chromium: the report page is not tested in a browser (an error with CI=true)"

.PHONY: lint
lint: setup  ## Style, types, import directions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

.PHONY: format
format: setup  ## Rewrite the code in the house style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: golden
golden: setup  ## Regenerate what is generated: tables and schemas in docs/, docs/cli.md, k8s/, the chart's values
	@$(BIN)/crossad schema > docs/suite.schema.json
	@$(BIN)/crossad schema --format markdown > docs/keys.md
	@$(BIN)/crossad schema --format settings > docs/settings.schema.json
	@$(BIN)/crossad schema --format settings-markdown > docs/settings.md
	@$(BIN)/python -m crossad.cli.reference > docs/cli.md
	@$(BIN)/python -m crossad.cli.operator_files k8s
	@$(BIN)/python -m crossad.cli.chart_files charts/crossad

.PHONY: lock
lock: $(UV)  ## Resolve the requirements anew, with hashes and without host names
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
	    --all-extras --group dev --upgrade pyproject.toml --output-file requirements/dev.txt
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
	    --extra train --extra s3 --extra report pyproject.toml --constraint requirements/dev.txt --output-file requirements/trainer.txt
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
	    --extra cluster --extra s3 --extra report pyproject.toml --constraint requirements/dev.txt --output-file requirements/controller.txt
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 \
	    requirements/build.in --output-file requirements/build.txt
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 \
	    requirements/sbom.in --output-file requirements/sbom.txt
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 \
	    requirements/checkov.in --output-file requirements/checkov.txt

.PHONY: clean
clean:  ## Remove the environment, the caches and the demo
	@rm -rf $(VENV) $(CACHE) $(DEMO) .pytest_cache .mypy_cache .ruff_cache
