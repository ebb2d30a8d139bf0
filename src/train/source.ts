/** What the loop trains on and what it evaluates: batches by program input, programs by batch shape. */
import type { Parameter, Program } from '../model/program.ts';
import type { Feeds } from './session.ts';

/** Sizes that decide a program: batchSize, seqLen, and whatever a family adds. */
export type BatchShape = Record<string, number>;

/** The feeds of one micro-batch, and where the data goes on after it. */
export interface TrainBatch {
  feeds: Feeds;
  shape: BatchShape;
  /** Tokens of the batch, padding included. */
  tokens: number;
  /** Give it back to `train` to go on after this batch. JSON. */
  cursor: unknown;
}

/** Where the loop's batches come from. */
export interface BatchSource {
  /** Endless; from the start, or after the batch that the cursor came with. */
  train(cursor?: unknown): AsyncIterable<TrainBatch>;
  /** Once through, always in the same order. Undefined where there is no validation split. */
  validation?: (() => AsyncIterable<TrainBatch>) | undefined;
  /** Bytes of text that each token stands for, by id, for bits a byte. */
  tokenBytes?: Uint32Array | undefined;
}

/** A model seen by the loop. */
export interface ProgramSource {
  parameters: Parameter[];
  training(shape: BatchShape): Program;
  evaluation(shape: BatchShape): Program;
}

/** The batches of one update after the other, `count` each. */
export async function* microBatches(
  batches: AsyncIterable<TrainBatch>,
  count: number,
): AsyncGenerator<TrainBatch[], undefined> {
  let micros: TrainBatch[] = [];
  for await (const batch of batches) {
    micros.push(batch);
    if (micros.length === count) {
      yield micros;
      micros = [];
    }
  }
  return undefined;
}
