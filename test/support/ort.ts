/** Runs a program on the runtime in this process: named arrays go in, named float arrays come out. For tests only. */
import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import type { Program } from '../../src/model/index.ts';

export interface Tensor {
  dtype: string;
  shape: number[];
  data: number[];
}

/** A safetensors file as plain numbers. */
export function readTensors(path: string): Record<string, Tensor> {
  const file = readFileSync(path);
  const headerSize = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + headerSize).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors: Record<string, Tensor> = {};
  for (const [name, { dtype, shape, data_offsets: [from, to] = [0, 0] }] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const bytes = new Uint8Array(file.subarray(8 + headerSize + from, 8 + headerSize + to)).buffer;
    const data = dtype === 'I64' ? Array.from(new BigInt64Array(bytes), Number) : Array.from(new Float32Array(bytes));
    tensors[name] = { dtype, shape, data };
  }
  return tensors;
}

export type Feeds = Record<string, ArrayLike<number>>;

/** Feeds every input by name, losses' scales and parameters included; dropout masks are ones where none is given. */
export async function runProgram(program: Program, feeds: Feeds, threads = 1): Promise<Record<string, Float32Array>> {
  return runSession(await openSession(program.onnx, threads), program, feeds);
}

/** As `runProgram`, on a session that is open. */
export async function runSession(
  session: ort.InferenceSession,
  program: Program,
  feeds: Feeds,
): Promise<Record<string, Float32Array>> {
  const inputs: Record<string, ort.Tensor> = {};
  for (const { name, dtype, shape } of program.inputs) inputs[name] = tensor(name, dtype, shape, feeds);
  for (const { name, shape } of program.parameters) inputs[name] = tensor(name, 'float32', shape, feeds);
  for (const { scale } of program.losses) inputs[scale] = tensor(scale, 'float32', [], feeds);
  for (const { name, shape } of program.dropout)
    inputs[name] = tensor(name, 'float32', shape, { [name]: feeds[name] ?? ones(shape) });
  const results = await session.run(inputs);
  return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, value.data as Float32Array]));
}

export type Level = 'disabled' | 'all';

export function openSession(onnx: Uint8Array, threads = 1, level: Level = 'all'): Promise<ort.InferenceSession> {
  // Threads that wait don't spin: the tests share two cores.
  const extra = { session: { intra_op: { allow_spinning: '0' } } };
  return ort.InferenceSession.create(onnx, { intraOpNumThreads: threads, graphOptimizationLevel: level, extra });
}

const ones = (shape: number[]) => new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1);

export function tensor(name: string, dtype: string, shape: number[], feeds: Feeds): ort.Tensor {
  const values = feeds[name];
  if (!values) throw new Error(`nothing is fed to ${name}`);
  const data = dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values);
  return new ort.Tensor(dtype as 'float32', data as Float32Array, shape);
}

/** Largest absolute difference; NaN if any element is. */
export function maxError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.NaN;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}
