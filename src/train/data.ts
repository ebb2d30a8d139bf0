/** A dataset folder in, the batches that the loop trains and validates on out, under the programs' input names. */
import { type Batch, batches, type Cursor } from '../dataset/batches.ts';
import { readDatasetManifest } from '../dataset/manifest.ts';
import type { Feeds } from './session.ts';
import type { BatchSource, TrainBatch } from './source.ts';

export interface DatasetSourceOptions {
  /** Dataset folder. */
  dir: string;
  /** Rows of a batch. */
  batchSize: number;
  /** Of the order of rows. */
  seed: number;
}

/** Bytes a token are those of the whole dataset: the splits are drawn by document hash from one text. */
export async function datasetSource({ dir, batchSize, seed }: DatasetSourceOptions): Promise<BatchSource> {
  const { splits, statistics } = await readDatasetManifest(dir);
  const held = splits.find(({ name, rows }) => name === 'validation' && rows > 0);
  const reading = (options: Parameters<typeof batches>[0]) => toTrain(batches(options));
  return {
    train: (cursor) =>
      reading({
        dir,
        batchSize,
        seed,
        epochs: Number.POSITIVE_INFINITY,
        dropLast: true,
        ...(cursor !== undefined && { cursor: cursor as Cursor }),
      }),
    validation: held && (() => reading({ dir, split: 'validation', batchSize, shuffle: false })),
    ...(statistics.tokens > 0 && { bytesPerToken: statistics.textBytes / statistics.tokens }),
  };
}

async function* toTrain(source: AsyncIterable<Batch>): AsyncGenerator<TrainBatch> {
  for await (const batch of source) {
    const feeds: Feeds = {};
    for (const [key, value] of Object.entries(batch)) {
      if (value instanceof Int32Array) feeds[key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] = value;
    }
    const seqLen = batch.shapes.inputIds?.[1] ?? 0;
    yield { feeds, shape: { batchSize: batch.rows, seqLen }, tokens: batch.rows * seqLen, cursor: batch.cursor };
  }
}
