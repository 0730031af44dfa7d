#!/bin/sh
# Builds what is measured and prints the table; options as of run.py.
set -eu
cd "$(dirname "$0")/../.."
cmake --preset release >/dev/null
cmake --build --preset release --target provhub-main provhub-nodesim provctl provhub_bench_hub provhub_bench_load >/dev/null
exec python3 tests/bench/run.py "$@"
