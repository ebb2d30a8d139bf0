/** A dataset folder in, the batches that the loop trains and validates on out, under the programs' input names. */
import { type Batch, batches, type Cursor } from '../dataset/batches.ts';
import { readDatasetManifest } from '../dataset/manifest.ts';
import { tokenBytes } from '../tokenizer/token_bytes.ts';
import type { Feeds } from './session.ts';
import type { BatchShape, BatchSource, TrainBatch } from './source.ts';

/** What `datasetSource` takes. */
export interface DatasetSourceOptions {
  /** Dataset folder. */
  dir: string;
  /** Rows of a batch. */
  batchSize: number;
  /** Of the order of rows. */
  seed: number;
  /** What `validation` reads. */
  heldOut?: 'validation' | 'test' | undefined;
  /** The vocabulary's tokenizer.json or its folder, for bits a byte. */
  vocab?: string | undefined;
}

/**
 * @throws `input` where there is no dataset.
 * @example
 * const data = await datasetSource({ dir: 'dataset', batchSize: 16, seed: 1 });
 */
export async function datasetSource(options: DatasetSourceOptions): Promise<BatchSource> {
  const { dir, batchSize, seed, heldOut = 'validation', vocab } = options;
  const { splits } = await readDatasetManifest(dir);
  const held = splits.find(({ name, rows }) => name === heldOut && rows > 0);
  const reading = (options: Parameters<typeof batches>[0]) => toTrain(batches(options), batchSize);
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
    validation: held && (() => reading({ dir, split: heldOut, batchSize, shuffle: false })),
    ...(vocab !== undefined && { tokenBytes: await tokenBytes(vocab) }),
  };
}

async function* toTrain(source: AsyncIterable<Batch>, batchSize: number): AsyncGenerator<TrainBatch> {
  for await (const batch of source) {
    const feeds: Feeds = {};
    for (const [key, [rows, ...shape]] of Object.entries(batch.shapes)) {
      const values = (batch as unknown as Record<string, Int32Array>)[key]!;
      const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      feeds[name] = rows === batchSize ? values : padded(name, values, batchSize * shape.reduce((a, b) => a * b, 1));
    }
    const shape = shapeOf(batch, batchSize);
    const tokens = batchSize * ((shape.seqLen ?? 0) + (shape.sourceLen ?? 0));
    yield { feeds, shape, tokens, cursor: batch.cursor };
  }
}

/** Rows that are not there: labels that do not count, one id and nothing masked elsewhere. */
function padded(name: string, values: Int32Array, length: number): Int32Array {
  const all = new Int32Array(length).fill(/label/.test(name) ? -100 : /mask/.test(name) ? 1 : 0);
  all.set(values);
  return all;
}

/** Programs are made for one shape: rows, lengths, and places for masked tokens. */
function shapeOf({ shapes }: Batch, batchSize: number): BatchShape {
  const length = shapes.inputIds?.[1] ?? 0;
  const target = shapes.decoderInputIds?.[1];
  const places = shapes.maskedPositions?.[1];
  return {
    batchSize,
    seqLen: target ?? length,
    ...(target !== undefined && { sourceLen: length }),
    ...(places !== undefined && { maxPredictions: places }),
  };
}
