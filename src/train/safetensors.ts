/**
 * Tensors in, a .safetensors file out, and back: an 8-byte little-endian header length, a JSON header
 * {name: {dtype, shape, data_offsets}}, raw little-endian data. Both ways in pieces, so that a file may exceed memory.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { MillraceError } from '../errors.ts';

export type Dtype = 'F64' | 'F32' | 'F16' | 'BF16' | 'I64' | 'I32' | 'I16' | 'I8' | 'U8' | 'BOOL';
const BYTES: Record<Dtype, number> = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 };
/** Longer headers are refused, as the reference implementation does. */
const MAX_HEADER = 100_000_000;

export interface TensorSource {
  name: string;
  dtype: Dtype;
  shape: number[];
  /** The tensor's bytes in order, cut anywhere. */
  chunks(): Iterable<Uint8Array>;
}

export interface TensorInfo {
  dtype: Dtype;
  shape: number[];
  /** Byte range in the file. */
  start: number;
  end: number;
}

/** A source from an array that is already in memory. */
export function tensor(name: string, shape: number[], data: Float32Array | Int32Array | BigInt64Array): TensorSource {
  const dtype = data instanceof Float32Array ? 'F32' : data instanceof Int32Array ? 'I32' : 'I64';
  return { name, dtype, shape, chunks: () => [new Uint8Array(data.buffer, data.byteOffset, data.byteLength)] };
}

const elements = (shape: number[]) => shape.reduce((a, b) => a * b, 1);

/**
 * Writes and fsyncs `path`. Tensors lie in the order given.
 * @returns the file's length and SHA-256 (hex).
 */
export async function writeSafetensors(
  path: string,
  tensors: TensorSource[],
  metadata: Record<string, string> = {},
): Promise<{ bytes: number; sha256: string }> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } };
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    const end = offset + elements(shape) * BYTES[dtype];
    if (name in header) throw new MillraceError('internal', `two tensors are called ${name}`);
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const text = JSON.stringify(header);
  const json = Buffer.from(text + ' '.repeat((8 - (Buffer.byteLength(text) % 8)) % 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));

  const hash = createHash('sha256');
  const file = await open(path, 'w');
  try {
    const put = async (bytes: Uint8Array) => {
      hash.update(bytes);
      await writeAll(file, bytes);
    };
    await put(length);
    await put(json);
    for (const { name, dtype, shape, chunks } of tensors) {
      let left = elements(shape) * BYTES[dtype];
      for (const bytes of chunks()) {
        left -= bytes.length;
        await put(bytes);
      }
      if (left !== 0) throw new MillraceError('internal', `tensor ${name} has ${left} bytes less than its shape says`);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { bytes: 8 + json.length + offset, sha256: hash.digest('hex') };
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

/** An open file: its header is checked, its tensors are read when asked for. Close it. */
export class Safetensors {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Record<string, string>;
  private readonly file: FileHandle;
  private readonly path: string;

  private constructor(file: FileHandle, path: string, tensors: Map<string, TensorInfo>, meta: Record<string, string>) {
    this.file = file;
    this.path = path;
    this.tensors = tensors;
    this.metadata = meta;
  }

  /** @throws `input` where the file can't be read, `corrupt` where its header or length is wrong. */
  static async open(path: string): Promise<Safetensors> {
    const file = await open(path, 'r').catch((cause: Error) => {
      throw new MillraceError('input', `can't read ${path}: ${cause.message}`, { cause });
    });
    try {
      const { size } = await file.stat();
      const { tensors, metadata } = await readHeader(file, size, path);
      return new Safetensors(file, path, tensors, metadata);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (!info) throw new MillraceError('input', `${this.path} has no tensor ${name}`);
    return info;
  }

  /** Raw bytes `start .. start + length` of a tensor. */
  async bytes(name: string, start = 0, length?: number): Promise<Uint8Array> {
    const info = this.info(name);
    const bytes = Buffer.alloc(length ?? info.end - info.start - start);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await this.file.read(bytes, at, bytes.length - at, info.start + start + at);
      if (bytesRead === 0) throw new MillraceError('corrupt', `${this.path} ends inside tensor ${name}`);
      at += bytesRead;
    }
    return bytes;
  }

  /** A whole tensor as float32; F16 and BF16 are widened, F64 is rounded. */
  async floats(name: string): Promise<Float32Array> {
    return toFloats(this.info(name).dtype, await this.bytes(name), `${this.path}: ${name}`);
  }

  /** Float32 values in pieces: `use(values, start)`. */
  async eachFloats(name: string, use: (values: Float32Array, start: number) => void): Promise<void> {
    const { dtype, shape } = this.info(name);
    const total = elements(shape);
    for (let start = 0; start < total; start += PIECE) {
      const count = Math.min(PIECE, total - start);
      const bytes = await this.bytes(name, start * BYTES[dtype], count * BYTES[dtype]);
      use(toFloats(dtype, bytes, `${this.path}: ${name}`), start);
    }
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

/** Elements read or written at once: 1 MB of float32, a millisecond or two of hashing that holds the event loop. */
export const PIECE = 1 << 18;

async function readHeader(file: FileHandle, size: number, path: string) {
  const corrupt = (what: string) =>
    new MillraceError('corrupt', `${path} is not a whole safetensors file: ${what}`, {
      hint: 'download or write it again',
    });
  if (size < 8) throw corrupt('shorter than its header');
  const length = Number((await file.read(Buffer.alloc(8), 0, 8, 0)).buffer.readBigUInt64LE());
  if (length > MAX_HEADER || 8 + length > size) throw corrupt('its header length is wrong');
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, 8);
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(buffer.toString('utf8')) as Record<string, unknown>;
  } catch {
    throw corrupt('its header is not JSON');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw corrupt('its header is no object');
  const tensors = new Map<string, TensorInfo>();
  let metadata: Record<string, string> = {};
  let covered = 0;
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      metadata = value as Record<string, string>;
      continue;
    }
    const { dtype, shape, data_offsets } = (value ?? {}) as { dtype: Dtype; shape: unknown; data_offsets: unknown };
    if (!Object.hasOwn(BYTES, dtype)) throw corrupt(`tensor ${name} has the unknown dtype ${dtype}`);
    if (!counts(shape)) throw corrupt(`tensor ${name} has the shape ${JSON.stringify(shape)?.slice(0, 60)}`);
    const [start = 0, end = 0] = counts(data_offsets) ? data_offsets : [];
    const right = end >= start && end - start === elements(shape) * BYTES[dtype];
    if (!right || 8 + length + end > size) throw corrupt(`tensor ${name} has wrong offsets`);
    covered += end - start;
    tensors.set(name, { dtype, shape, start: 8 + length + start, end: 8 + length + end });
  }
  let at = 8 + length;
  for (const [name, { start, end }] of [...tensors].sort(([, a], [, b]) => a.start - b.start || a.end - b.end)) {
    if (start !== at)
      throw corrupt(`tensor ${name} ${start < at ? 'overlaps the one before it' : 'comes after a gap'}`);
    at = end;
  }
  if (8 + length + covered !== size) throw corrupt('its data has another length than its header says');
  return { tensors, metadata };
}

/** Whole numbers that are not negative and whose product is still exact. */
const counts = (value: unknown): value is number[] =>
  Array.isArray(value) &&
  value.every((n) => Number.isSafeInteger(n) && n >= 0) &&
  Number.isSafeInteger(elements(value.filter((n) => n > 0)));

function toFloats(dtype: Dtype, bytes: Uint8Array, what: string): Float32Array {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset, byteLength } = aligned;
  if (dtype === 'F32') return new Float32Array(buffer, byteOffset, byteLength / 4);
  if (dtype === 'F64') return Float32Array.from(new Float64Array(buffer, byteOffset, byteLength / 8));
  const halves = () => new Uint16Array(buffer, byteOffset, byteLength / 2);
  if (dtype === 'BF16') {
    const out = new Uint32Array(byteLength / 2);
    halves().forEach((bits, i) => {
      out[i] = bits << 16;
    });
    return new Float32Array(out.buffer);
  }
  if (dtype === 'F16') return Float32Array.from(halves(), fromHalf);
  throw new MillraceError('input', `${what} is ${dtype}, floating point was expected`);
}

/** IEEE 754 binary16 to a number. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
