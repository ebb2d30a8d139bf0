/**
 * Composites: functions made of several ops that autodiff treats as one, because their joint gradient is shorter or
 * reuses what the forward pass has computed. Their rules are in rules/composite.ts.
 */
import * as native from './native.ts';
import {
  add,
  cast,
  erf,
  gather,
  gatherElements,
  layerNormParts,
  logSoftmax,
  matmul,
  mul,
  neg,
  reciprocal,
  sigmoid,
  softmax,
  sqrt,
  sum,
  sumOfSquares,
  tanh,
} from './ops.ts';
import type { Value } from './value.ts';

export interface AttentionOptions {
  /** Factor on q k^T. */
  scale: number;
  /** Added to the scaled scores; broadcast. */
  mask?: Value | undefined;
  /** Multiplies the weights: dropout. */
  dropout?: Value | undefined;
}

/**
 * softmax(scale q k^T + mask) v over any leading axes: q [.., m, d], k [.., n, d], v [.., n, e] -> [.., m, e], and the
 * weights before dropout [.., m, n].
 */
export function attentionCore(q: Value, k: Value, v: Value, options: AttentionOptions): [Value, Value] {
  const { scale, mask, dropout } = options;
  // Left-out ones stand in as a constant that nothing depends on.
  const none = q.graph.constant(0, q.dtype);
  const inputs = [q, k, v, mask ?? none, dropout ?? none];
  const outputs = q.graph.define(
    'Attention',
    inputs,
    () => {
      const scores = matmul(q, k, { transB: true, alpha: scale });
      const own = q.graph.native && native.fitsSoftmax(scores, mask);
      const weights = own ? native.maskedSoftmax(scores, mask) : softmax(mask ? add(scores, mask) : scores);
      const kept = dropout ? mul(weights, dropout) : weights;
      return [matmul(kept, v), weights, kept];
    },
    { scale: { float: scale }, dropout: { int: dropout ? 1 : 0 } },
  );
  return [outputs[0]!, outputs[1]!];
}

/** x / (1 + e^-x) (Elfwing et al. 2017; SwiGLU's gate). */
export function silu(x: Value): Value {
  if (x.graph.native) return native.activate('Silu', x);
  return x.graph.define('Silu', [x], () => {
    const s = sigmoid(x);
    return [mul(x, s), s];
  })[0]!;
}

/** silu(gate) * up (Shazeer 2020). */
export function swiglu(gate: Value, up: Value): Value {
  return gate.graph.native ? native.swiglu(gate, up) : mul(silu(gate), up);
}

/** x P(X <= x) for a standard normal X (Hendrycks and Gimpel 2016): BERT's. */
export function gelu(x: Value): Value {
  if (x.graph.native) return native.activate('Gelu', x);
  return x.graph.define('Gelu', [x], () => {
    const scaled = mul(x, Math.SQRT1_2);
    const cdf = add(mul(erf(scaled), 0.5), 0.5);
    return [mul(x, cdf), cdf, scaled];
  })[0]!;
}

/** The tanh approximation of `gelu` (the same paper, section 2): GPT-2's `gelu_new`. */
export function geluTanh(x: Value): Value {
  if (x.graph.native) return native.activate('GeluTanh', x);
  return x.graph.define('GeluTanh', [x], () => {
    const c = Math.sqrt(2 / Math.PI);
    const t = tanh(mul(x, add(mul(mul(x, x), 0.044715 * c), c)));
    return [mul(mul(x, 0.5), add(t, 1)), t];
  })[0]!;
}

/** (x - mean) / sqrt(variance + epsilon) * gain + bias over the last axis (Ba et al. 2016, eq. 3). */
export function layerNorm(x: Value, gain: Value, bias: Value | undefined, epsilon: number): Value {
  return layerNormParts(x, gain, bias, epsilon)[0]!;
}

/** x / sqrt(mean(x^2) + epsilon) * gain (+ bias) over the last axis (Zhang and Sennrich 2019, eq. 4). */
export function rmsNorm(x: Value, gain: Value, bias: Value | undefined, epsilon: number): Value {
  if (x.graph.native) return native.rmsNorm(x, gain, bias, epsilon);
  return x.graph.define('RmsNorm', bias ? [x, gain, bias] : [x, gain], () => {
    const meanSquare = mul(sumOfSquares(cast(x, 'float32'), { axes: [-1], keep: true }), 1 / x.size(-1));
    const scale = cast(reciprocal(sqrt(add(meanSquare, epsilon))), x.dtype);
    const normal = mul(x, scale);
    const scaled = mul(normal, gain);
    return [bias ? add(scaled, bias) : scaled, normal, scale];
  })[0]!;
}

export interface CrossEntropyOptions {
  /** Share of the target spread evenly over the vocabulary (Szegedy et al. 2015, section 7). */
  smoothing?: number;
}

/**
 * weight * -log softmax(logits)[label], a row each: [rows, 1].
 * logits [rows, classes]; labels int32 [rows, 1], all in range; weights [rows, 1], 0 for rows that do not count.
 */
export function crossEntropy(
  logits: Value,
  labels: Value,
  weights: Value,
  { smoothing = 0 }: CrossEntropyOptions = {},
): Value {
  const body = () => {
    const logProbs = logSoftmax(logits);
    let picked = gatherElements(logProbs, labels);
    if (smoothing > 0) {
      const even = mul(sum(logProbs, { axes: [-1], keep: true }), smoothing / logits.size(-1));
      picked = add(mul(picked, 1 - smoothing), even);
    }
    return [neg(mul(picked, weights)), logProbs];
  };
  return logits.graph.define('CrossEntropy', [logits, labels, weights], body, { smoothing: { float: smoothing } })[0]!;
}

/** The sum of `crossEntropy` over the rows: a scalar. */
export function crossEntropySum(
  logits: Value,
  labels: Value,
  weights: Value,
  { smoothing = 0 }: CrossEntropyOptions = {},
): Value {
  if (logits.graph.native) return native.crossEntropy(logits, labels, weights, smoothing);
  return sum(crossEntropy(logits, labels, weights, { smoothing }));
}

/**
 * Rows of `table` [count, width] for int32 ids of any shape. Places where the id is `padding` teach the table nothing
 * (the `padding_idx` of PyTorch).
 */
export function embed(table: Value, ids: Value, padding?: number | null): Value {
  if (padding === undefined || padding === null) return gather(table, ids);
  const attributes = { padding: { int: padding } };
  return table.graph.define('Embedding', [table, ids], () => [gather(table, ids)], attributes)[0]!;
}
