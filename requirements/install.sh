#!/bin/sh
# Inside the image: install what a lock file names, or a wheel, into /opt/crossad. uv comes and goes with it, so that no
# installer stays in the image. (A mount from another stage would be shorter; buildah 1.28 mounts nothing when that stage
# came out of its cache.)
#
#   install.sh LOCK [an option for uv]...
set -eu
here=$(dirname "$0")
if [ -s /run/secrets/ca ]; then
    export PIP_CERT=/run/secrets/ca SSL_CERT_FILE=/run/secrets/ca
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends python3-pip-whl > /dev/null
python3 "$(echo /usr/share/python-wheels/pip-*.whl)/pip" install --quiet --no-cache-dir --root-user-action ignore \
    --require-hashes --only-binary :all: --target /opt/tools --requirement "$here/build.txt"

lock=$1
shift
# uv's cache lies beside what it installs: files are linked, not written twice. Compiled files hold for ever: they would
# not where an image's times are rewritten.
export UV_CACHE_DIR=/opt/cache PYC_INVALIDATION_MODE=UNCHECKED_HASH
/opt/tools/bin/uv venv --quiet --python /usr/bin/python3 /opt/crossad
# FrEIA has no wheel: it is built by tools that are locked, too
/opt/tools/bin/uv pip install --quiet --require-hashes --no-deps --build-constraints "$here/build.txt" \
    --compile-bytecode --python /opt/crossad/bin/python --requirement "$lock" "$@"

rm -rf /opt/tools /opt/cache
apt-get purge --quiet=2 --yes python3-pip-whl > /dev/null
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/* /var/cache/ldconfig/* /var/log/*
