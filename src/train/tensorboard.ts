/**
 * Training events in, an `events.out.tfevents.*` file out, as TensorBoard reads it: TFRecords (length, masked CRC-32C,
 * bytes, masked CRC-32C) of `Event` messages (tensorflow/core/util/event.proto), written by hand: seven fields of it.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { TrainEvent } from './events.ts';

export class TensorBoardFile {
  private readonly file: FileHandle;
  private last: Promise<unknown> = Promise.resolve();

  private constructor(file: FileHandle) {
    this.file = file;
  }

  /** A new file in the folder. `from`: steps done; what older files say of later steps is struck out. */
  static async open(folder: string, { from }: { from: number }): Promise<TensorBoardFile> {
    const now = Date.now() / 1000;
    const name = `events.out.tfevents.${String(Math.floor(now)).padStart(10, '0')}.${hostname()}.${process.pid}.0`;
    const board = new TensorBoardFile(await open(join(folder, name), 'a'));
    board.put(versionEvent(now));
    if (from > 0) board.put(restartEvent(now, from + 1));
    return board;
  }

  write(event: TrainEvent): void {
    const summary = summaryOf(event);
    if (summary.length > 0) this.put(summaryEvent(Date.now() / 1000, event.step, summary));
  }

  private put(event: Uint8Array): void {
    const bytes = record(event);
    this.last = this.last.then(() => this.file.write(bytes));
    this.last.catch(() => {});
  }

  async close(): Promise<void> {
    try {
      await this.last;
    } finally {
      await this.file.close();
    }
  }
}

export type SummaryValue = { tag: string; scalar: number } | { tag: string; text: string };

function summaryOf(event: TrainEvent): SummaryValue[] {
  const scalars = (values: Record<string, number | undefined>): SummaryValue[] =>
    Object.entries(values).flatMap(([tag, scalar]) => (scalar === undefined ? [] : [{ tag, scalar }]));
  const group = (name: string, values: Record<string, number> | undefined) =>
    Object.fromEntries(Object.entries(values ?? {}).map(([term, value]) => [`${name}/${term}`, value]));
  switch (event.type) {
    case 'step':
      return scalars({
        'train/loss': event.loss,
        ...group('train/loss', event.losses),
        'train/lr': event.lr,
        'train/grad_norm': event.gradNorm,
        'speed/tokens_per_second': event.tokensPerSecond,
        'speed/ms': event.ms,
        'speed/utilisation': event.utilisation,
      });
    case 'validation':
      return scalars({
        'validation/loss': event.loss,
        ...group('validation/loss', event.losses),
        'validation/perplexity': event.perplexity,
        'validation/bits_per_byte': event.bitsPerByte,
        ...group('validation/accuracy', event.accuracy),
      });
    case 'sample':
      return [{ tag: 'sample', text: event.text }];
    default:
      return [];
  }
}

export function versionEvent(time: number): Uint8Array {
  return message(double(1, time), text(3, 'brain.Event:2'));
}

/** SessionLog START: TensorBoard forgets what earlier files say of this step and later ones. */
export function restartEvent(time: number, step: number): Uint8Array {
  return message(double(1, time), integer(2, step), nested(7, integer(1, 1)));
}

export function summaryEvent(time: number, step: number, values: SummaryValue[]): Uint8Array {
  const fields = values.map((value) => {
    if ('scalar' in value) return nested(1, text(1, value.tag), float(2, value.scalar));
    // A string tensor (dtype 7) of shape [1], shown by the text plugin.
    const tensor = nested(8, integer(1, 7), nested(2, nested(2, integer(1, 1))), text(8, value.text));
    const plugin = nested(9, nested(1, text(1, 'text')));
    return nested(1, text(1, value.tag), tensor, plugin);
  });
  return message(double(1, time), integer(2, step), nested(5, ...fields));
}

/** One TFRecord. */
export function record(data: Uint8Array): Uint8Array {
  const out = Buffer.alloc(16 + data.length);
  out.writeBigUInt64LE(BigInt(data.length), 0);
  out.writeUInt32LE(masked(out.subarray(0, 8)), 8);
  out.set(data, 12);
  out.writeUInt32LE(masked(data), 12 + data.length);
  return out;
}

const message = (...fields: Uint8Array[]): Uint8Array => Buffer.concat(fields);

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

const key = (field: number, wire: number) => varint(field * 8 + wire);
const integer = (field: number, value: number) => Buffer.concat([key(field, 0), varint(value)]);

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([key(field, 1), bytes]);
}

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([key(field, 5), bytes]);
}

function nested(field: number, ...fields: Uint8Array[]): Buffer {
  const body = Buffer.concat(fields);
  return Buffer.concat([key(field, 2), varint(body.length), body]);
}

const text = (field: number, value: string) => nested(field, Buffer.from(value));

/** CRC-32C (Castagnoli), reflected polynomial 0x82f63b78. */
const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = TABLE[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Rotated and shifted, so that a CRC of data that holds CRCs stays useful. */
function masked(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
