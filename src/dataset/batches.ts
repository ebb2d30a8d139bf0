/** Dataset folders in, batches of typed arrays out, shuffled, from any place on; made ahead by a native thread. */
import { setImmediate } from 'node:timers/promises';
import type { DatasetBatch, DatasetReader } from '#native';
import { MillraceError } from '../errors.ts';
import { callNative, fromNative } from '../native.ts';

/** What `batches` takes. */
export interface BatchesOptions {
  /** One dataset folder, or several to blend by weight (weights are scaled to add up to 1). */
  dir: string | { dir: string; weight: number }[];
  /** Default `train`. */
  split?: 'train' | 'validation' | 'test' | undefined;
  /** Rows of a batch. */
  batchSize: number;
  seed?: number | undefined;
  /** Default true: each epoch in an order of its own, given by the seed. False: as stored. */
  shuffle?: boolean | undefined;
  /** Passes over all rows; default 1; Infinity is without end. */
  epochs?: number | undefined;
  /** Epoch to start at, where there is no cursor. */
  epoch?: number | undefined;
  /** Where to go on: the cursor of the last batch that was used. */
  cursor?: Cursor | undefined;
  /** Leave out a last batch that isn't full. Default false. */
  dropLast?: boolean | undefined;
  /** Of `world` readers of the same data, this is number `rank` (from 0); each gets its own rows. */
  rank?: number | undefined;
  world?: number | undefined;
  /** Causal rows: also count the first token of a document as the target of the last one before it. Default false. */
  boundaryLoss?: boolean | undefined;
  /** Masked rows: give `maskedPositions` and `maskedLabels` instead of `labels`. Default false. */
  maskedPositions?: boolean | undefined;
  /** Causal rows: give `cuSeqlens` too. Default false. */
  cuSeqlens?: boolean | undefined;
  /** Compare each shard's hash with the manifest before its first use. Default true. */
  verify?: boolean | undefined;
  /** Batches made ahead. Default 4. */
  prefetch?: number | undefined;
  /**
   * Give each batch in the arrays of the one before it: no memory is used up, which is faster by far where little is done
   * with a batch. Whoever asks for the next one must be done with the last. Default false: each batch has its own.
   */
  reuse?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** The whole state of a reader: rows taken of each set so far, by all ranks together. */
export interface Cursor {
  taken: number[];
}

/** int32 arrays under the names of Hugging Face's model inputs, in camel case; [rows, seqLen] unless said otherwise. */
export interface Batch {
  rows: number;
  /** Epoch of its first row. */
  epoch: number;
  /** Give it to `batches` to go on after this batch. */
  cursor: Cursor;
  inputIds: Int32Array;
  /** Causal and chat: shifted already, position t holds token t + 1. Masked: what stood there. -100 is ignored. Classes: [rows]. */
  labels?: Int32Array;
  /** Causal: from 0 in each document. */
  positionIds?: Int32Array;
  /** Causal: 1, 2, ... for the documents of a row; 0 is padding. */
  segmentIds?: Int32Array;
  /**
   * [documents + 1]: 0 and the end of each document in the batch seen as one run of rows * seqLen tokens, as attention
   * kernels for sequences of several lengths take them; the padding of a row counts as a document.
   */
  cuSeqlens?: Int32Array;
  /** 1 for tokens, 0 for padding. */
  attentionMask?: Int32Array;
  /** 0 in the first text, 1 in the second. */
  tokenTypeIds?: Int32Array;
  /** [rows]: 0 where the second text follows the first, 1 where it doesn't (or the two were swapped). */
  nextSentenceLabel?: Int32Array;
  /** [rows, maxPredictions]; unused places are at 0 with the label -100. */
  maskedPositions?: Int32Array;
  maskedLabels?: Int32Array;
  /** [rows, targetLen]: the start token, then the target without its last token. */
  decoderInputIds?: Int32Array;
  decoderAttentionMask?: Int32Array;
  /** Classes: the text as targets of a language model, shifted. */
  lmLabels?: Int32Array;
  /** Shape of each array. */
  shapes: Record<string, number[]>;
}

/**
 * @example
 * for await (const { inputIds, labels, cursor } of batches({ dir: 'dataset', batchSize: 16, seed: 1 })) { ... }
 * @throws `input` where there is no dataset, `corrupt` where a shard isn't the one that the manifest names.
 */
export async function* batches(options: BatchesOptions): AsyncGenerator<Batch, void, void> {
  const sets = typeof options.dir === 'string' ? [{ dir: options.dir, weight: 1 }] : options.dir;
  const total = sets.reduce((sum, { weight }) => sum + weight, 0);
  const epochs = options.epochs ?? 1;
  const request = JSON.stringify({
    sets: sets.map(({ dir, weight }) => ({ dir, weight: weight / total })),
    split: options.split ?? 'train',
    batchSize: options.batchSize,
    seed: options.seed ?? 0,
    shuffle: options.shuffle ?? true,
    startEpoch: options.epoch ?? 0,
    epochs: Number.isFinite(epochs) ? epochs : null,
    dropLast: options.dropLast ?? false,
    rank: options.rank ?? 0,
    world: options.world ?? 1,
    verify: options.verify ?? true,
    boundaryLoss: options.boundaryLoss ?? false,
    maskedPositions: options.maskedPositions ?? false,
    cuSeqlens: options.cuSeqlens ?? false,
    prefetch: options.prefetch ?? 4,
    taken: options.cursor?.taken ?? [],
  });
  const reuse = options.reuse ?? false;
  const reader = callNative((native) => native.DatasetReader.open(request, reuse));
  const arrays: Int32Array[] = [];
  try {
    for (let ready = 1; ; ready++) {
      if (options.signal?.aborted) throw new MillraceError('cancelled', 'reading batches was cancelled');
      let next = callNative(() => reader.ready());
      // Batches that are always ready would let nothing else run: no timer, no signal, no return of used memory.
      if (next && ready % 8 === 0) await setImmediate();
      next ??= await reader.next().catch(rethrow);
      if (!next) return;
      if (reuse) fill(reader, next, arrays);
      yield toBatch(next);
    }
  } finally {
    reader.close();
  }
}

/** Copies what a batch holds into `arrays`, made anew where their length doesn't fit. */
function fill(reader: DatasetReader, batch: DatasetBatch, arrays: Int32Array[]): void {
  batch.columns.forEach((column, i) => {
    const length = column.shape.reduce((product, size) => product * size, 1);
    if (arrays[i]?.length !== length) arrays[i] = new Int32Array(length);
    column.data = arrays[i]!;
  });
  callNative(() => reader.fill(arrays));
}

function toBatch({ rows, epoch, taken, columns }: DatasetBatch): Batch {
  const batch = { rows, epoch, cursor: { taken }, shapes: {} } as unknown as Batch;
  for (const { name, shape, data } of columns) {
    const key = camelCase(name);
    (batch as unknown as Record<string, Int32Array>)[key] = data!;
    batch.shapes[key] = shape;
  }
  return batch;
}

const camelCase = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

function rethrow(error: unknown): never {
  throw fromNative(error);
}
