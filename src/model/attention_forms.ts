/**
 * The forms of attention that a text on it goes through, each usable alone: queries, keys and values go in, weighted
 * sums of the values and the weights come out. docs/models.md draws them.
 */
import { add, matmul, mul, reshape, type Shape, slice, softmax, split, sub, tanh, type Value } from '../graph/index.ts';
import { type Attend, attend, causalMask } from './attention.ts';
import type { ProgramBuilder } from './builder.ts';
import { xavierUniform, zeros } from './init.ts';
import { linear } from './layers.ts';
import { adapt } from './lora.ts';

export interface Form {
  out: Value;
  weights: Value;
}

/**
 * f(x) = sum_i softmax_i(-((x - x_i) w)^2 / 2) y_i (Nadaraya 1964, Watson 1964, with a Gaussian kernel).
 * queries [m], keys and values [n], width w a scalar (1 by default) -> out [m], weights [m, n].
 */
export function nadarayaWatson(queries: Value, keys: Value, values: Value, width?: Value): Form {
  const distance = sub(reshape(queries, [queries.shape[0]!, 1]), reshape(keys, [1, keys.shape[0]!]));
  const scaled = width ? mul(distance, width) : distance;
  const weights = softmax(mul(mul(scaled, scaled), -0.5));
  const out = matmul(weights, reshape(values, [values.shape[0]!, 1]));
  return { out: reshape(out, [queries.shape[0]!]), weights };
}

/** softmax(q k^T / sqrt(d) + mask) v (Vaswani et al. 2017, eq. 1). q [b, m, d], k [b, n, d], v [b, n, e]. */
export function dotProductAttention(q: Value, k: Value, v: Value, mask?: Value): Form {
  const scores = matmul(q, k, { transB: true, alpha: 1 / Math.sqrt(q.size(-1)) });
  const weights = softmax(mask ? add(scores, mask) : scores);
  return { out: matmul(weights, v), weights };
}

/**
 * Scores v_a . tanh(W_q q + W_k k) (Bahdanau et al. 2015, appendix A.1.2).
 * q [b, m, dq], k [b, n, dk], v [b, n, e], projected to `width`; parameters `<name>.{query,key}.weight`, `<name>.score`.
 */
export function additiveAttention(
  b: ProgramBuilder,
  name: string,
  qkv: [Value, Value, Value],
  width: number,
  mask?: Value,
): Form {
  const [q, k, v] = qkv;
  const project = (part: string, x: Value) =>
    matmul(x, b.parameter(`${name}.${part}.weight`, [width, x.size(-1)], xavierUniform(x.size(-1), width)), {
      transB: true,
    });
  const [batch, m, n] = [q.shape[0]!, q.shape[1]!, k.shape[1]!];
  const sum = add(reshape(project('query', q), [batch, m, 1, width]), reshape(project('key', k), [batch, 1, n, width]));
  const score = b.parameter(`${name}.score`, [width, 1], xavierUniform(width, 1));
  const scores = reshape(matmul(tanh(sum), score), [batch, m, n]);
  const weights = softmax(mask ? add(scores, mask) : scores);
  return { out: matmul(weights, v), weights };
}

export interface SelfAttentionOptions {
  causal?: boolean;
  scoring?: 'dot-product' | 'additive';
}

/** Each place of x [b, t, d] looks at every place of x, with no projections of its own under dot products. */
export function selfAttention(b: ProgramBuilder, name: string, x: Value, options: SelfAttentionOptions = {}): Form {
  const time = x.size(1);
  const mask = options.causal ? reshape(causalMask(b.graph, time), [1, time, time]) : undefined;
  if (options.scoring === 'additive') return additiveAttention(b, name, [x, x, x], x.size(-1), mask);
  return dotProductAttention(x, x, x, mask);
}

export interface MultiHeadOptions {
  heads: number;
  /** Float [batch or 1, 1, m or 1, n]; see attention.ts. */
  mask?: Value | undefined;
  /** The dropout mask for attention weights of a shape, where there is to be one. */
  dropout?: (shape: Shape) => Value | undefined;
  through?: Attend | undefined;
}

/**
 * Several heads, each with its own W_q, W_k, W_v, side by side, then mixed by W_o (Vaswani et al. 2017, section 3.2.2).
 * q [b, m, d], k and v [b, n, d] -> out [b, m, d], weights [b, heads, m, n]. Parameters as in torch.nn.MultiheadAttention:
 * `in_proj_weight` [3 d, d] holds W_q, W_k and W_v one after the other.
 */
export function multiHeadAttention(
  b: ProgramBuilder,
  prefix: string,
  [q, k, v]: [Value, Value, Value],
  options: MultiHeadOptions,
): Form {
  const width = q.size(-1);
  const init = xavierUniform(width, width);
  const weight = b.parameter(`${prefix}in_proj_weight`, [3 * width, width], init);
  const bias = b.parameter(`${prefix}in_proj_bias`, [3 * width], zeros);
  // Inputs that are the same tensor share one product.
  const project = (x: Value, from: number, to: number) => {
    const cut = (value: Value) => (to - from === 3 ? value : slice(value, 0, from * width, to * width));
    const part: [number, number] = [from * width, to * width];
    const product = matmul(x, cut(weight), { transB: true });
    const y = add(adapt(b, `${prefix}in_proj`, { x, y: product, out: 3 * width, part }), cut(bias));
    return to - from === 1 ? [y] : split(y, -1, Array<number>(to - from).fill(width));
  };
  const kv = k === v ? project(k, 1, 3) : [...project(k, 1, 2), ...project(v, 2, 3)];
  const [qp, kp, vp] = q === k && k === v ? project(q, 0, 3) : [...project(q, 0, 1), ...kv];
  const { out, weights } = attend(qp!, kp!, vp!, options);
  return { out: linear(b, `${prefix}out_proj`, out, { out: width, init, bias: true }), weights };
}
