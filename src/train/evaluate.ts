/** A session and validation batches in, mean loss, perplexity, bits a byte and accuracies out. */
import { MillraceError } from '../errors.ts';
import type { Program } from '../model/program.ts';
import type { Loaded, Session, TypedArray } from './session.ts';
import type { BatchShape, TrainBatch } from './source.ts';

/** Figures of a model on held-out rows. */
export interface Evaluation {
  /** Mean over the items, in nats; the sum over the terms, weights included. */
  loss: number;
  /** Each term's mean without its weight. */
  losses: Record<string, number>;
  perplexity?: number;
  /** Over the bytes of exactly the tokens that were predicted; an end of text counts as a token of no bytes. */
  bitsPerByte?: number;
  /** Share of right answers, by term. */
  accuracy: Record<string, number>;
  /** Counted items of the first term. */
  items: number;
}

/** Programs of one session by batch shape, loaded at the first need. */
export class ProgramCache {
  private readonly loaded = new Map<string, Promise<Loaded>>();
  private readonly session: Session;
  private readonly build: (shape: BatchShape) => Program;

  constructor(session: Session, build: (shape: BatchShape) => Program) {
    this.session = session;
    this.build = build;
  }

  get(shape: BatchShape): Promise<Loaded> {
    const key = JSON.stringify(Object.entries(shape).sort());
    let found = this.loaded.get(key);
    if (!found) {
      found = this.session.load(this.build(shape));
      this.loaded.set(key, found);
    }
    return found;
  }
}

export interface EvaluateOptions {
  session: Session;
  programs: ProgramCache;
  batches: AsyncIterable<TrainBatch>;
  /** At most; all by default. */
  limit?: number | undefined;
  /** Bytes of text that each token stands for, by id: gives bits a byte. */
  tokenBytes?: Uint32Array | undefined;
  signal?: AbortSignal | undefined;
}

export async function evaluateBatches(options: EvaluateOptions): Promise<Evaluation> {
  const { session, programs, batches, limit = Number.POSITIVE_INFINITY, tokenBytes, signal } = options;
  const sums = new Map<string, { loss: number; count: number; correct: number | undefined; weight: number }>();
  let taken = 0;
  let bytes = 0;
  for await (const { feeds, shape } of batches) {
    if (taken++ >= limit) break;
    if (signal?.aborted) throw new MillraceError('cancelled', 'the evaluation was cancelled');
    const loaded = await programs.get(shape);
    const out = await session.run(loaded, feeds);
    for (const { name, output, count, correct, weight = 1 } of loaded.program.losses) {
      const sum = sums.get(name) ?? { loss: 0, count: 0, correct: correct === undefined ? undefined : 0, weight };
      sum.loss += scalar(out, output) / weight;
      sum.count += scalar(out, count);
      if (correct !== undefined) sum.correct = (sum.correct ?? 0) + scalar(out, correct);
      sums.set(name, sum);
    }
    if (tokenBytes) bytes += bytesOf(feeds.labels, tokenBytes);
  }
  if (sums.size === 0) {
    throw new MillraceError('input', 'there is nothing to evaluate: the validation split has no batches', {
      hint: 'give the dataset a larger validation share',
    });
  }
  const losses: Record<string, number> = {};
  const accuracy: Record<string, number> = {};
  let loss = 0;
  for (const [name, sum] of sums) {
    const mean = sum.loss / Math.max(1, sum.count);
    losses[name] = mean;
    loss += mean * sum.weight;
    if (sum.correct !== undefined) accuracy[name] = sum.correct / Math.max(1, sum.count);
  }
  const text = losses.lm ?? losses.mlm;
  return {
    loss,
    losses,
    accuracy,
    items: [...sums.values()][0]?.count ?? 0,
    ...(text !== undefined && { perplexity: Math.exp(text) }),
    ...(sums.has('lm') && bytes > 0 && { bitsPerByte: sums.get('lm')!.loss / Math.LN2 / bytes }),
  };
}

/** Bytes of the tokens that count in a loss: labels that are not negative. */
function bytesOf(labels: TypedArray | undefined, tokenBytes: Uint32Array): number {
  if (!(labels instanceof Int32Array)) return 0;
  let sum = 0;
  for (const id of labels) if (id >= 0) sum += tokenBytes[id] ?? 0;
  return sum;
}

function scalar(outputs: Record<string, TypedArray>, name: string): number {
  const value = outputs[name]?.[0];
  if (typeof value !== 'number') throw new MillraceError('internal', `the program puts out no ${name}`);
  return value;
}
