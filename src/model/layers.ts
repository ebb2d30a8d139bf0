/** The layers that recipes are made of: activations go in, activations come out; parameters register themselves by name. */

import { MillraceError } from '../errors.ts';
import {
  add,
  embed,
  gelu,
  geluTanh,
  layerNorm,
  matmul,
  mul,
  relu,
  rmsNorm,
  sigmoid,
  silu,
  slice,
  tanh,
  type Value,
} from '../graph/index.ts';
import type { ProgramBuilder } from './builder.ts';
import { type Init, ones, zeros } from './init.ts';
import { adapt } from './lora.ts';

export interface LinearOptions {
  /** Size of the last axis of the result. */
  out: number;
  init: Init;
  bias?: boolean;
  /** `[in, out]` is GPT-2's Conv1D layout; `[out, in]` (default) everybody else's. */
  layout?: 'out-in' | 'in-out';
}

/** x W^T + b: [.., in] -> [.., out], with parameters `<name>.weight` and `<name>.bias`. */
export function linear(b: ProgramBuilder, name: string, x: Value, options: LinearOptions): Value {
  const { out, init, bias = false, layout = 'out-in' } = options;
  const width = x.size(-1);
  const weight = b.parameter(`${name}.weight`, layout === 'out-in' ? [out, width] : [width, out], init);
  const y = adapt(b, name, { x, y: matmul(x, weight, { transB: layout === 'out-in' }), out });
  return bias ? add(y, b.parameter(`${name}.bias`, [out], zeros)) : y;
}

export interface EmbeddingOptions {
  count: number;
  width: number;
  init: Init;
  /** An id whose places do not train the table. */
  padding?: number | null | undefined;
}

/** Rows of the table `<name>.weight` [count, width] for int32 ids of any shape. */
export function embedding(b: ProgramBuilder, name: string, ids: Value, options: EmbeddingOptions): Value {
  const { count, width, init, padding } = options;
  return embed(b.parameter(`${name}.weight`, [count, width], init), ids, padding);
}

/** The first `time` rows of the learnt position table `<name>.weight`: [time, width]. */
export function positionTable(b: ProgramBuilder, name: string, time: number, options: EmbeddingOptions): Value {
  const { count, width, init } = options;
  const table = b.parameter(`${name}.weight`, [count, width], init);
  if (time > count)
    throw new MillraceError('config', `rows of ${time} tokens do not fit the ${count} positions of ${name}`);
  return time === count ? table : slice(table, 0, 0, time);
}

export function layerNormLayer(b: ProgramBuilder, name: string, x: Value, epsilon: number, bias = true): Value {
  const width = x.size(-1);
  const gain = b.parameter(`${name}.weight`, [width], ones);
  return layerNorm(x, gain, bias ? b.parameter(`${name}.bias`, [width], zeros) : undefined, epsilon);
}

export function rmsNormLayer(b: ProgramBuilder, name: string, x: Value, epsilon: number, bias = false): Value {
  const width = x.size(-1);
  const gain = b.parameter(`${name}.weight`, [width], ones);
  return rmsNorm(x, gain, bias ? b.parameter(`${name}.bias`, [width], zeros) : undefined, epsilon);
}

/** The activations of Hugging Face configs, by their names there. */
const activations: Record<string, (x: Value) => Value> = {
  gelu,
  gelu_python: gelu,
  gelu_new: geluTanh,
  gelu_fast: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  relu,
  relu2: (x) => mul(relu(x), relu(x)),
  silu,
  swish: silu,
  sigmoid,
  tanh,
  linear: (x) => x,
  quick_gelu: (x) => mul(x, sigmoid(mul(x, 1.702))),
};

export function activation(name: string): (x: Value) => Value {
  const found = Object.hasOwn(activations, name) ? activations[name] : undefined;
  if (found) return found;
  throw new MillraceError('config', `no activation is called ${JSON.stringify(name)}`, {
    hint: `use one of ${Object.keys(activations).join(', ')}`,
  });
}
