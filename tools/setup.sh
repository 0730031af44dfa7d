#!/bin/sh
# Installs every Debian package that building and testing Provhub needs. Does nothing where all of them are there.
#
#   tools/setup.sh [--list]      --list prints the packages instead
set -eu

packages="
ca-certificates
ccache
clang
clang-format
clang-tidy
cmake
g++
git
jq
libabsl-dev
libbenchmark-dev
libboost-dev
libc-ares-dev
libcli11-dev
libgmock-dev
libgrpc++-dev
libgtest-dev
libp11-kit-dev
libpoco-dev
libprotobuf-dev
libre2-dev
libssl-dev
libsystemd-dev
lld
lsof
mandoc
ninja-build
nlohmann-json3-dev
opensc
openssl
pkgconf
procps
protobuf-compiler
protobuf-compiler-grpc
python3
python3-grpcio
python3-protobuf
python3-pytest
softhsm2
strace
systemd
zlib1g-dev
"

if [ "${1-}" = --list ]; then
    echo $packages
    exit 0
fi

missing=
for package in $packages; do
    # shellcheck disable=SC2016
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
        missing="$missing $package"
    fi
done
if [ -z "$missing" ]; then
    exit 0
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup.sh: these packages are missing and neither root nor sudo is at hand to install them:$missing" >&2
        exit 1
    fi
    as_root=sudo
fi

apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@" </dev/null
}

echo "setup.sh: installing$missing"
apt update
# The words are meant to be split.
# shellcheck disable=SC2086
apt install -y --no-install-recommends $missing
