/** A fixture folder goes in; its config, options, weights and inputs come out. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Safetensors } from '../../src/train/safetensors.ts';

export interface Array_ {
  shape: number[];
  values: Float32Array | Int32Array;
}

export interface Example {
  /** config.json; empty where there is none. */
  config: Record<string, unknown>;
  /** meta.json, the part that config.json lacks. */
  options: Record<string, unknown> & { family: string };
  meta: Record<string, unknown>;
  weights: Map<string, Array_>;
  /** Names without the leading `in.`. */
  inputs: Map<string, Array_>;
  /** Everything of expected.safetensors whose name has one of these beginnings or is one of these names. */
  read(names: string[]): Promise<Map<string, Array_>>;
}

export async function readExample(dir: string): Promise<Example> {
  const json = (name: string) =>
    existsSync(join(dir, name)) ? (JSON.parse(readFileSync(join(dir, name), 'utf8')) as Record<string, unknown>) : {};
  const meta = json('meta.json');
  const expected = join(dir, 'expected.safetensors');
  const weights = new Map<string, Array_>();
  for (const file of ['model.safetensors', 'head.safetensors'])
    if (existsSync(join(dir, file)))
      for (const [name, value] of await tensors(join(dir, file))) weights.set(name, value);
  const read = (names: string[]) =>
    tensors(expected, (name) =>
      names.some((wanted) => name === wanted || (wanted.endsWith('.') && name.startsWith(wanted))),
    );
  const inputs = new Map([...(await read(['in.']))].map(([name, value]) => [name.slice(3), value]));
  return { config: json('config.json'), options: meta.options as Example['options'], meta, weights, inputs, read };
}

async function tensors(path: string, wanted: (name: string) => boolean = () => true): Promise<Map<string, Array_>> {
  const file = await Safetensors.open(path);
  const found = new Map<string, Array_>();
  for (const [name, { dtype, shape }] of file.tensors) {
    if (!wanted(name)) continue;
    if (dtype === 'I64') {
      const bytes = Uint8Array.from(await file.bytes(name));
      found.set(name, { shape, values: Int32Array.from(new BigInt64Array(bytes.buffer), Number) });
    } else if (dtype === 'I32') {
      found.set(name, { shape, values: new Int32Array(Uint8Array.from(await file.bytes(name)).buffer) });
    } else found.set(name, { shape, values: await file.floats(name) });
  }
  await file.close();
  return found;
}
