#!/usr/bin/env bash
# The order of sentences on held-out documents: bench/recipes/bert-nsp.sh OUT. Needs the packages that nsp_corpus.mjs names.
set -euo pipefail
mkdir -p "$1" && out=$(realpath "$1")
root=$(cd "$(dirname "$0")/../.." && pwd)
millrace() { node "--import=$root/node_modules/tsx/dist/loader.mjs" "$root/src/cli/main.ts" "$@"; }
cd "$root" && node bench/recipes/nsp_corpus.mjs "$out/text"
cd "$out"
special=(--special '[PAD]' --special '[UNK]' --special '[CLS]' --special '[SEP]' --special '[MASK]')
millrace vocab train 'text/*.txt' --kind wordpiece --objective frequency --split bert --normalizer bert --size 4096 "${special[@]}" --out vocab
millrace dataset build 'text/*.txt' --vocab vocab --task nsp --seq-len 64 --max-predictions 6 --format file --dupe-factor 2 \
  --split 0.94,0.06 --seed 1 --out dataset
millrace train "$root/bench/recipes/bert-nsp.yaml"
millrace evaluate run --json
