/** Keys, values and tensors in, the bytes of a GGUF file out (version 3, little-endian), written piece by piece. */
import { type FileHandle, open } from 'node:fs/promises';

/** The value types of the format that a model needs. */
export type GgufValue =
  | { u32: number }
  | { i32: number }
  | { f32: number }
  | { bool: boolean }
  | { string: string }
  | { strings: string[] }
  | { i32s: number[] };

export interface GgufTensor {
  name: string;
  /** Outermost axis first, as everywhere here; the format has it the other way round. */
  shape: number[];
  data: Float32Array;
}

const VERSION = 3;
const ALIGNMENT = 32;
const [U32, I32, F32, BOOL, STRING, ARRAY] = [4, 5, 6, 7, 8, 9];
/** Type of a tensor's elements. */
const FLOAT32 = 0;

/** Writes and fsyncs. */
export async function writeGguf(
  path: string,
  { metadata, tensors }: { metadata: Map<string, GgufValue>; tensors: GgufTensor[] },
): Promise<void> {
  const parts: Buffer[] = [Buffer.from('GGUF'), u32(VERSION), u64(tensors.length), u64(metadata.size)];
  for (const [key, value] of metadata) parts.push(text(key), encode(value));
  let offset = 0;
  for (const { name, shape, data } of tensors) {
    parts.push(text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(FLOAT32), u64(offset));
    offset += aligned(data.byteLength);
  }
  const head = Buffer.concat(parts);
  const file = await open(path, 'w');
  try {
    await put(file, head);
    await put(file, Buffer.alloc(aligned(head.length) - head.length));
    for (const { data } of tensors) {
      await put(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      await put(file, Buffer.alloc(aligned(data.byteLength) - data.byteLength));
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

const aligned = (bytes: number) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

async function put(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
};

function encode(value: GgufValue): Buffer {
  if ('u32' in value) return Buffer.concat([u32(U32), u32(value.u32)]);
  if ('i32' in value) return Buffer.concat([u32(I32), i32s([value.i32])]);
  if ('f32' in value) return Buffer.concat([u32(F32), Buffer.from(Float32Array.of(value.f32).buffer)]);
  if ('bool' in value) return Buffer.concat([u32(BOOL), Buffer.of(value.bool ? 1 : 0)]);
  if ('string' in value) return Buffer.concat([u32(STRING), text(value.string)]);
  if ('i32s' in value) return Buffer.concat([u32(ARRAY), u32(I32), u64(value.i32s.length), i32s(value.i32s)]);
  return Buffer.concat([u32(ARRAY), u32(STRING), u64(value.strings.length), ...value.strings.map(text)]);
}

const i32s = (values: number[]) => Buffer.from(Int32Array.from(values).buffer);
