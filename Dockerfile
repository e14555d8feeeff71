# Two images from one file:
#
#   docker build --target trainer    -t crossad-trainer .     a pod that trains: torch with CUDA, 7 GB
#   docker build --target controller -t crossad .             everything else: validate, render, control, report; no torch
#
# Arguments and secrets (docs/images.md has examples):
#   BASE      Debian 12 by digest; a mirror, or a newer digest, is given the same way
#   CUDA      torch's CUDA variant, such as cu128: takes requirements/trainer-cu128.txt, a lock that docs/images.md says how
#             to make; empty takes requirements/trainer.txt, that is what PyPI has
#   VERSION, COMMIT   for the labels, and for the birth certificate in every record
#   secret "ca"       the certificates that this site trusts, where a proxy signs TLS anew; only while building
#
# The order of the layers: Debian, libraries by hash, crossad itself. A change under src/ rebuilds the last one, in seconds.
ARG BASE=docker.io/library/debian:bookworm-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171

FROM ${BASE} AS python
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/* /var/cache/ldconfig/* /var/log/*
# whoever runs this has no home, perhaps no name, and may write under /tmp alone: see manifests/pod.py, which says more
ENV PATH=/opt/crossad/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    USER=crossad
# what both images say alike; version and commit come last in each, because a layer above them would be built anew
ARG BASE
LABEL org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/crossad/crossad" \
      org.opencontainers.image.base.name="$BASE"
ENTRYPOINT ["crossad"]

FROM python AS tools
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends python3-venv
COPY requirements/build.txt /requirements.txt
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
    && python3 -m venv /tools \
    && /tools/bin/pip install --quiet --no-cache-dir --require-hashes --only-binary :all: --requirement /requirements.txt

# crossad's own files, compiled, at the place where both images have them
FROM tools AS program
COPY pyproject.toml README.md LICENSE /source/
COPY src /source/src
RUN cd /source \
    && /tools/bin/python -m hatchling build --target wheel --directory /wheel \
    && /tools/bin/uv venv --quiet --python /usr/bin/python3 /opt/crossad \
    && PYC_INVALIDATION_MODE=UNCHECKED_HASH /tools/bin/uv pip install --quiet --offline --no-deps --compile-bytecode \
        --python /opt/crossad/bin/python /wheel/*.whl \
    && mkdir -p /program/bin /program/lib/python3.11/site-packages \
    && cp -a /opt/crossad/bin/crossad /program/bin/ \
    && cp -a /opt/crossad/lib/python3.11/site-packages/crossad* /program/lib/python3.11/site-packages/

FROM python AS controller-libraries
COPY requirements/build.txt requirements/install.sh requirements/controller.txt /opt/lock/
# without what nothing here imports: a second Kubernetes client and what that stands on, descriptions of AWS services
# other than storage and sign-in, numpy's compilers, tests, stubs, and the compiled form of 900 modules of which a
# process loads a few
RUN --mount=type=secret,id=ca /opt/lock/install.sh /opt/lock/controller.txt \
    && cd /opt/crossad/lib/python3.11/site-packages \
    && rm -rf aiohappyeyeballs aiohttp aiohttp_retry aiosignal frozenlist multidict propcache yarl \
    && rm -rf numpy/f2py numpy/_core/include kubernetes/aio kubernetes/client/api/__pycache__ kubernetes/client/models/__pycache__ \
    && find numpy -depth -type d -name tests -exec rm -rf {} \; \
    && find . -name '*.pyi' -delete \
    && find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name sts ! -name 'sso*' ! -name signin -exec rm -rf {} +

FROM python AS trainer-libraries
# OpenCV's wheel links these two
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/* /var/cache/ldconfig/* /var/log/*
ARG CUDA=
COPY requirements/build.txt requirements/install.sh requirements/trainer${CUDA:+-$CUDA}.txt /opt/lock/
RUN --mount=type=secret,id=ca \
    /opt/lock/install.sh /opt/lock/trainer${CUDA:+-$CUDA}.txt ${CUDA:+--torch-backend=$CUDA}

FROM controller-libraries AS controller
COPY --from=program /program /opt/crossad
ARG VERSION=
ARG COMMIT=
# builders that keep layers may look at the arguments of RUN alone: without it another commit's labels come back
RUN echo "$VERSION $COMMIT" > /opt/crossad/BUILD
ENV CROSSAD_COMMIT=$COMMIT
LABEL org.opencontainers.image.title="crossad" \
      org.opencontainers.image.description="crossad without torch: checks suites, creates Jobs, waits for them, writes reports" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
USER 65532:65532

FROM trainer-libraries AS trainer
COPY --from=program /program /opt/crossad
# no hub; memory is given back late, so that big tensors are not faulted in page by page at every step (2 to 6 times in
# PatchCore on a CPU); CUDA's computing part of the driver. NVIDIA_VISIBLE_DEVICES stays unset: it would show every GPU
# of a node to pods that asked for none.
ENV HF_HUB_OFFLINE=1 \
    MALLOC_MMAP_THRESHOLD_=4294967296 \
    MALLOC_TRIM_THRESHOLD_=8589934592 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    TORCHINDUCTOR_CACHE_DIR=/tmp/inductor
ARG VERSION=
ARG COMMIT=
RUN echo "$VERSION $COMMIT" > /opt/crossad/BUILD
ENV CROSSAD_COMMIT=$COMMIT
LABEL org.opencontainers.image.title="crossad-trainer" \
      org.opencontainers.image.description="crossad with torch and CUDA: runs one condition" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
USER 65532:65532
