#!/bin/sh
# Sets up, builds and runs every test: unit, component and end-to-end.
#
#   tests/run.sh [PRESET] [CTEST OPTION...]      PRESET: release (default), debug, asan, tsan
#
# For example: tests/run.sh asan -R ApplyCert
set -eu
cd "$(dirname "$0")/.."

preset=release
case "${1-}" in
release | debug | asan | tsan)
    preset=$1
    shift
    ;;
'' | -*) ;;
*)
    echo "usage: tests/run.sh [release|debug|asan|tsan] [CTEST OPTION...]" >&2
    exit 2
    ;;
esac

tools/setup.sh
cores=$(nproc)
cmake --preset "$preset"
cmake --build --preset "$preset" --parallel "$cores"
# Tests wait for the disk more than for anything else: in memory they do not, where there is room and programs may run.
if [ -z "${TMPDIR-}" ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt 1000000 ] &&
    ! findmnt -no OPTIONS /dev/shm | grep -q noexec; then
    export TMPDIR=/dev/shm
fi
# Most tests wait for timers and processes: several to a core.
exec ctest --preset "$preset" --parallel "$((cores * 4))" "$@"
