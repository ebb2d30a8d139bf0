#!/usr/bin/env bash
# Every example folder under FOLDER through our models, each judged by COMPARE (a script: EXAMPLE OUT.safetensors -> exit code).
# usage: bench/parity_all.sh FOLDER COMPARE.py [PYTHON]     exit code 1 where any fails
set -uo pipefail
folder=$1 compare=$2 python=${3:-python3}
out=$(mktemp -d) failed=0
trap 'rm -rf "$out"' EXIT
cd "$(dirname "$0")/.."
for example in "$folder"/*/; do
  name=$(basename "$example")
  if npm run --silent parity -- "$example" "$out/$name.safetensors" >"$out/log" 2>&1; then
    "$python" "$compare" "$example" "$out/$name.safetensors" || failed=1
  else
    echo "ERROR $name: $(tail -1 "$out/log")"
    failed=1
  fi
done
exit $failed
