#!/bin/sh
# Checks what the compiler doesn't: manual pages and systemd units, which must be without any complaint.
#
#   deploy/check.sh DIRECTORY-OF-THE-CONFIGURED-UNITS
set -eu
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

mandoc -T lint -W warning man/*

for unit in "$1"/*.service; do
    # The programs need not be installed where this runs.
    sed 's|^\(Exec[A-Za-z]*\)=[^ ]*|\1=/bin/true|; /^Documentation=/d' "$unit" >"$scratch/$(basename "$unit")"
done
# Its exit status says nothing about unknown keys.
complaints=$(systemd-analyze verify "$scratch"/*.service 2>&1) || true
if [ -n "$complaints" ]; then
    echo "$complaints"
    exit 1
fi
