/**
 * Rows in memory and how they become a batch in, what the trainer reads out: shuffled anew each epoch, rows of like
 * length together, padded to a few lengths, from any place on. For labelled sets and pairs, which fit in memory.
 */
import { MillraceError } from '../errors.ts';
import type { Feeds } from '../train/session.ts';
import type { BatchShape, BatchSource, TrainBatch } from '../train/source.ts';

export interface Collated {
  feeds: Feeds;
  shape: BatchShape;
}

export interface RowsOptions<Row> {
  train: Row[];
  validation?: Row[] | undefined;
  batchSize: number;
  seed: number;
  /** What decides how much padding a row gets: its lengths, the most important one first. */
  lengths(row: Row): number[];
  collate(rows: Row[]): Collated;
}

interface Place {
  epoch: number;
  /** Batches taken of it. */
  batch: number;
}

/** Rows of one sorting window: enough to find rows of like length, few enough to stay shuffled. */
const WINDOW = 64;

export function rowSource<Row>(options: RowsOptions<Row>): BatchSource {
  const { train, validation, batchSize } = options;
  if (train.length < batchSize) {
    throw new MillraceError('input', `${train.length} rows do not fill a batch of ${batchSize}`, {
      hint: 'lower training.batch_size',
    });
  }
  return {
    async *train(cursor) {
      const start = (cursor ?? { epoch: 0, batch: 0 }) as Place;
      for (let epoch = start.epoch; ; epoch++) {
        const batches = epochBatches(options, epoch);
        for (let batch = epoch === start.epoch ? start.batch : 0; batch < batches.length; batch++) {
          const rows = batches[batch]!.map((i) => train[i]!);
          yield { ...finish(options.collate(rows)), cursor: { epoch, batch: batch + 1 } satisfies Place };
        }
      }
    },
    ...(validation &&
      validation.length > 0 && {
        async *validation() {
          const order = sorted(options, validation, [...validation.keys()]);
          for (let at = 0; at < order.length; at += batchSize) {
            const rows = order.slice(at, at + batchSize).map((i) => validation[i]!);
            yield { ...finish(options.collate(rows)), cursor: null };
          }
        },
      }),
  };
}

function finish({ feeds, shape }: Collated): Omit<TrainBatch, 'cursor'> {
  const ids = [feeds.input_ids, feeds.decoder_input_ids];
  return { feeds, shape, tokens: ids.reduce((sum, values) => sum + (values?.length ?? 0), 0) };
}

/** Row indices of each batch of an epoch; a last batch that is not full is left out. */
function epochBatches<Row>(options: RowsOptions<Row>, epoch: number): number[][] {
  const { train, batchSize, seed } = options;
  const random = randomOf(seed, epoch);
  const order = shuffle([...train.keys()], random);
  const batches: number[][] = [];
  for (let at = 0; at < order.length; at += WINDOW * batchSize) {
    const window = sorted(options, train, order.slice(at, at + WINDOW * batchSize));
    for (let i = 0; i + batchSize <= window.length; i += batchSize) batches.push(window.slice(i, i + batchSize));
  }
  return shuffle(batches, random);
}

function sorted<Row>({ lengths }: RowsOptions<Row>, rows: Row[], indices: number[]): number[] {
  const keys = new Map(indices.map((i) => [i, lengths(rows[i]!)]));
  return indices.sort((a, b) => {
    const [x, y] = [keys.get(a)!, keys.get(b)!];
    const first = x.findIndex((length, i) => length !== y[i]);
    return first < 0 ? a - b : x[first]! - y[first]!;
  });
}

/** Fisher and Yates, from the end. */
export function shuffle<T>(items: T[], random: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}

/** Numbers in [0, 1) from a seed and an epoch: Mulberry32, started from a mix of both. */
export function randomOf(seed: number, epoch: number): () => number {
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(epoch + 1, 0xc2b2ae35);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** 8, or the next multiple of 16 (or `limit`): few lengths, so few graphs, each of which has memory of its own. */
export function padded(lengths: number[], limit = Number.POSITIVE_INFINITY): number {
  const longest = Math.max(1, ...lengths);
  return Math.min(limit, longest <= 8 ? 8 : Math.ceil(longest / 16) * 16);
}

/** int32 [rows, time], each row from the left, `fill` behind it. */
export function matrix(rows: ArrayLike<number>[], time: number, fill: number): Int32Array {
  const values = new Int32Array(rows.length * time).fill(fill);
  rows.forEach((row, i) => {
    values.set(row, i * time);
  });
  return values;
}

/** 1 where a row has a token, 0 behind it. */
export function masks(rows: ArrayLike<number>[], time: number): Int32Array {
  return matrix(
    rows.map(({ length }) => new Int32Array(length).fill(1)),
    time,
    0,
  );
}
