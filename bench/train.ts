/**
 * Training steps as `millrace train` does them (batches, schedule, clipping, AdamW, metrics.jsonl and TensorBoard file),
 * on random tokens: `npm run bench -- train --model llama-small [--steps 60] [--threads 2]`. Sizes are in bench/models.json;
 * bench/peers/train_torch.py trains the same in PyTorch.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { buildModel, countParameters, type ModelConfig } from '../src/model/index.ts';
import type { StepEvent } from '../src/train/events.ts';
import { programsOf } from '../src/train/model.ts';
import { loopSchema } from '../src/train/recipe.ts';
import type { TrainBatch } from '../src/train/source.ts';
import { trainPrograms } from '../src/train/trainer.ts';

interface Preset {
  config: ModelConfig;
  batch: number;
  length: number;
  predictions?: number;
  /** Rows of two documents that do not see each other. */
  packed?: boolean;
}

const presets = JSON.parse(readFileSync(new URL('./models.json', import.meta.url), 'utf8')) as Record<string, Preset>;
/** Steps before the clock counts: the first ones fill the runtime's memory. */
const WARMUP = 5;

export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string' },
      steps: { type: 'string' },
      threads: { type: 'string' },
      portable: { type: 'boolean' },
    },
  });
  const name = values.model ?? 'llama-small';
  const preset = presets[name];
  if (!preset) throw new Error(`--model is one of ${Object.keys(presets).join(', ')}`);
  const steps = Number(values.steps ?? 60) + WARMUP;
  const threads = Number(values.threads ?? availableParallelism());
  const model = buildModel(preset.config);
  const out = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const events: StepEvent[] = [];
  const random = generator(1);
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const cpu = { before: process.cpuUsage(), after: process.cpuUsage() };
  try {
    await trainPrograms({
      programs: programsOf(model, { isolate: preset.packed ?? false, native: values.portable !== true }),
      data: {
        async *train() {
          for (let index = 0; ; index++) yield randomBatch(preset, random, index);
        },
      },
      recipe: loopSchema.parse({
        optimizer: { lr: 1e-3 },
        schedule: { kind: 'cosine', warmup: 10 },
        training: { steps, batch_size: preset.batch, checkpoint_every: steps + 1, keep: 1, spike: null },
      }),
      out,
      threads,
      onEvent: (event) => {
        if (event.type !== 'step') return;
        events.push(event);
        if (event.step === WARMUP) {
          cpu.before = process.cpuUsage();
          loop.enable();
        }
        if (event.step === steps) {
          cpu.after = process.cpuUsage(cpu.before);
          loop.disable();
        }
      },
    });
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
  const timed = events.slice(WARMUP);
  const median = (pick: (event: StepEvent) => number) => timed.map(pick).sort((a, b) => a - b)[timed.length >> 1] ?? 0;
  const msPerStep = median(({ ms }) => ms);
  const tokens = preset.batch * preset.length * (preset.config.family === 'transformer' ? 2 : 1);
  const sums = timed.reduce(
    (all, { ms, runMs, optimizerMs }) => ({ ms: all.ms + ms, run: all.run + runMs, opt: all.opt + optimizerMs }),
    { ms: 0, run: 0, opt: 0 },
  );
  return {
    model: name,
    parameters: countParameters(model.parameters),
    seconds: msPerStep / 1000,
    msPerStep,
    msPerStepBest: Math.min(...timed.map(({ ms }) => ms)),
    cpuMsPerStep: (cpu.after.user + cpu.after.system) / 1000 / timed.length,
    tokensPerSecond: (1000 * tokens) / msPerStep,
    runMs: median(({ runMs }) => runMs),
    optimizerMs: median(({ optimizerMs }) => optimizerMs),
    /** Share of the time outside the runtime's run, with the optimizer and without it. */
    outsidePercent: 100 * (1 - sums.run / sums.ms),
    overheadPercent: 100 * (1 - (sums.run + sums.opt) / sums.ms),
    /** How late timers come while training, beyond the 1 ms that they are set to. */
    timerDriftP99Ms: loop.percentile(99) / 1e6 - 1,
    timerDriftMaxMs: loop.max / 1e6 - 1,
    loss: timed.at(-1)?.loss,
    threads,
  };
}

/** A linear congruential generator: numbers in [0, n). */
function generator(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

function randomBatch(preset: Preset, random: (n: number) => number, index: number): TrainBatch {
  const { config, batch, length, predictions } = preset;
  const ints = (count: number, below: number) => Int32Array.from({ length: count }, () => random(below));
  const ones = () => new Int32Array(batch * length).fill(1);
  const ids = ints(batch * length, config.vocab_size);
  const shape = { batchSize: batch, seqLen: length };
  const base = { tokens: batch * length, cursor: index + 1 };
  if (config.family === 'bert') {
    const feeds = {
      input_ids: ids,
      token_type_ids: new Int32Array(batch * length),
      attention_mask: ones(),
      masked_positions: ints(batch * predictions!, length),
      masked_labels: ints(batch * predictions!, config.vocab_size),
      next_sentence_label: ints(batch, 2),
    };
    return { ...base, feeds, shape: { ...shape, maxPredictions: predictions! } };
  }
  const labels = ints(batch * length, config.vocab_size);
  if (config.family === 'llama' || config.family === 'gpt') {
    const half = length >> 1;
    const second = (index: number) => index % length >= half;
    const packing = preset.packed && {
      segment_ids: Int32Array.from(ids, (_, index) => (second(index) ? 1 : 0)),
      position_ids: Int32Array.from(ids, (_, index) => (index % length) - (second(index) ? half : 0)),
    };
    return { ...base, feeds: { input_ids: ids, labels, ...packing }, shape };
  }
  const feeds = {
    input_ids: ids,
    attention_mask: ones(),
    decoder_input_ids: ints(batch * length, config.vocab_size),
    decoder_attention_mask: ones(),
    labels,
  };
  return { ...base, tokens: 2 * batch * length, feeds, shape: { ...shape, sourceLen: length } };
}
