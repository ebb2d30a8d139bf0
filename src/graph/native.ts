/**
 * Ops that the native crate computes in one pass each (native/src/runtime/operators.rs), and their gradients: values go in,
 * one node comes out. Only graphs with `native` set have them, and only CPU sessions of the native crate run those.
 */
import { add, mul, reshape } from './ops.ts';
import type { Rule } from './rules/rule.ts';
import { product, sameShape } from './shapes.ts';
import type { Attributes, Shape, Value } from './value.ts';

const make = (op: string, inputs: Value[], shapes: Shape[], attributes: Attributes = {}): Value[] =>
  inputs[0]!.graph.apply(
    `millrace.${op}`,
    inputs,
    shapes.map((shape) => ({ shape, dtype: 'float32' as const })),
    attributes,
  );

/** `Gelu`, `GeluTanh` or `Silu`, element by element. */
export const activate = (kind: 'Gelu' | 'GeluTanh' | 'Silu', x: Value) => make(kind, [x], [x.shape])[0]!;

export const swiglu = (gate: Value, up: Value) => make('SwiGlu', [gate, up], [gate.shape])[0]!;

/** Whether `maskedSoftmax` takes these. The mask is [1 or batch, 1, 1 or queries, keys]. */
export function fitsSoftmax(scores: Value, mask: Value | undefined): boolean {
  if (scores.rank !== 4 || !scores.shape.every((dim) => typeof dim === 'number')) return false;
  if (!mask) return true;
  const [batch, , queries, keys] = scores.shape;
  const [b, h, q, k] = mask.shape;
  return mask.rank === 4 && h === 1 && k === keys && (b === 1 || b === batch) && (q === 1 || q === queries);
}

/** softmax(scores + mask) over the last axis. */
export const maskedSoftmax = (scores: Value, mask: Value | undefined) =>
  make('MaskedSoftmax', [scores, mask ?? scores.graph.constant(0)], [scores.shape])[0]!;

/** p (dp - sum(p dp)). */
export const softmaxGrad = (weights: Value, d: Value) => make('SoftmaxGrad', [weights, d], [d.shape])[0]!;

export function rmsNorm(x: Value, gain: Value, bias: Value | undefined, epsilon: number): Value {
  const row: Shape = [...x.shape.slice(0, -1), 1];
  const y = make('RmsNorm', [x, gain], [x.shape, row], { epsilon: { float: epsilon } })[0]!;
  return bias ? add(y, bias) : y;
}

/** Gradients of x, gain and bias. */
export const layerNormGrad = (dy: Value, x: Value, gain: Value, mean: Value, scale: Value) =>
  make('LayerNormGrad', [dy, x, gain, mean, scale], [x.shape, gain.shape, gain.shape]);

/** How rows are cut into heads, and what acts on their weights. */
export interface HeadSettings {
  heads: number;
  kvHeads: number;
  scale: number;
  mask?: Value | undefined;
  /** Of as many elements as there are weights. */
  dropout?: Value | undefined;
}

/** Whether `attention` takes these: fixed sizes, values as wide as keys, and a mask of its form that nothing trains. */
export function fitsAttention(q: Value, k: Value, v: Value, { mask }: Pick<HeadSettings, 'mask'>): boolean {
  const fixed = [q, k, v].every(({ rank, shape }) => rank === 3 && shape.every((dim) => typeof dim === 'number'));
  if (!fixed || !sameShape(k.shape, v.shape)) return false;
  if (!mask) return true;
  const [b, h, m, n] = mask.shape;
  const shape = (b === 1 || b === q.shape[0]) && h === 1 && (m === 1 || m === q.shape[1]) && n === k.shape[1];
  return mask.rank === 4 && shape && !learnt(mask);
}

/** Whether a gradient could flow to a float input. */
function learnt(value: Value): boolean {
  const { node, graph } = value;
  if (value.dtype !== 'float32') return false;
  return node ? node.inputs.some((input) => input && learnt(input)) : !graph.constants.has(value);
}

/**
 * softmax(scale q k^T + mask) v, head by head: q [batch, queries, heads * size], k and v [batch, keys, kvHeads * size], mask
 * [1 or batch, 1, 1 or queries, keys]. The weights never are a tensor; the backward pass makes them again.
 */
export function attention(q: Value, k: Value, v: Value, { heads, kvHeads, scale, mask, dropout }: HeadSettings): Value {
  const none = q.graph.constant(0);
  const [batch, queries] = [q.shape[0]!, q.shape[1]!];
  const attributes = { heads: { int: heads }, kv_heads: { int: kvHeads }, scale: { float: scale } };
  const inputs = [q, k, v, mask ?? none, dropout ?? none];
  return make('Attention', inputs, [q.shape, [batch, heads, queries, 2]], attributes)[0]!;
}

/** The sum over the rows; labels int32 [rows, 1], weights [rows, 1]. */
export const crossEntropy = (logits: Value, labels: Value, weights: Value, smoothing: number) =>
  make('CrossEntropy', [logits, labels, weights], [[], logits.shape], { smoothing: { float: smoothing } })[0]!;

/** Whether `addRows` takes these. */
export const fitsRows = (table: Value, ids: Value) => table.rank === 2 && ids.dtype === 'int32';

/** `total` [count, width] with each row of `d` added at its id; ids equal to `padding` add nothing. */
export function addRows(total: Value, ids: Value, d: Value, padding?: number): Value {
  const rows = product(ids.shape);
  const attributes: Attributes = padding === undefined ? {} : { padding: { int: padding } };
  const inputs = [total, reshape(ids, [rows]), reshape(d, [rows, total.shape[1]!])];
  return make('AddRows', inputs, [total.shape], attributes)[0]!;
}

const elementwise =
  (kind: string): Rule =>
  ({ inputs: [x] }, [dy]) => [make(`${kind}Grad`, [x!, dy!], [x!.shape])[0]];

export const native: Record<string, Rule> = {
  'millrace.Gelu': elementwise('Gelu'),
  'millrace.GeluTanh': elementwise('GeluTanh'),
  'millrace.Silu': elementwise('Silu'),
  'millrace.SwiGlu': ({ inputs: [gate, up] }, [dy]) => make('SwiGluGrad', [gate!, up!, dy!], [gate!.shape, up!.shape]),
  'millrace.RmsNorm': ({ inputs: [x, gain], outputs: [, scale] }, [dy]) =>
    make('RmsNormGrad', [dy!, x!, gain!, scale!], [x!.shape, gain!.shape]),
  'millrace.Attention': ({ inputs, outputs: [, sums], attributes }, [dy]) => {
    const [q, k, v] = inputs as [Value, Value, Value];
    return make('AttentionGrad', [...(inputs as Value[]), sums!, dy!], [q.shape, k.shape, v.shape], attributes);
  },
  // The forward pass has computed it already. The loss is a target as a rule, its own gradient the constant 1.
  'millrace.CrossEntropy': ({ outputs: [loss, gradient] }, [dy]) => [
    dy === loss!.graph.constant(1) ? gradient : mul(gradient!, dy!),
  ],
};
