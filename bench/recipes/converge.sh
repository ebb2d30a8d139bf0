#!/usr/bin/env bash
# Trains a recipe of this folder on TRAIN and measures it on VALIDATION (text files), all through the command line:
#   bench/recipes/converge.sh gpt-char|llama-bpe1024 TRAIN.txt VALIDATION.txt OUT [SEED]
#   bench/recipes/converge.sh bert-wikitext2 wiki.valid.txt wiki.test.txt OUT [SEED]    # pooled; the last twentieth is held out
set -euo pipefail
name=$1 train=$(realpath "$2") validation=$(realpath "$3") seed=${5:-1}
mkdir -p "$4" && out=$(realpath "$4")
root=$(cd "$(dirname "$0")/../.." && pwd)
millrace() { node "--import=$root/node_modules/tsx/dist/loader.mjs" "$root/src/cli/main.ts" "$@"; }
cd "$out"
vocab=() dataset=(--pack concat --format file)
case $name in
  gpt-char) size=257 length=64 ;;
  llama-bpe1024) size=1024 length=128 ;;
  bert-wikitext2)
    size=4096 length=64
    special=(--special '[PAD]' --special '[UNK]' --special '[CLS]' --special '[SEP]' --special '[MASK]')
    vocab=(--kind wordpiece --objective frequency --split bert --normalizer bert "${special[@]}")
    dataset=(--task nsp --format paragraph --sentences lines)
    node "$root/bench/recipes/wikitext.mjs" . "$train" "$validation"
    train=train.txt validation=held-out.txt
    ;;
  *) echo "no recipe $name" >&2; exit 2 ;;
esac
millrace vocab train "$train" --size $size "${vocab[@]}" --out vocab
build() { millrace dataset build "$1" --vocab vocab --seq-len $length "${dataset[@]}" --split "$2" --out "$3"; }
build "$train" 1,0 dataset
build "$validation" 0,1 held-out
millrace train "$root/bench/recipes/$name.yaml" --set training.seed="$seed"
millrace evaluate run --dataset held-out --json
