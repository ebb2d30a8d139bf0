/**
 * Ops that the native crate computes in one pass each (native/src/runtime/operators.rs), and their gradients: values go in,
 * one node comes out. Only graphs with `native` set have them, and only CPU sessions of the native crate run those.
 */
import { add, mul, reshape } from './ops.ts';
import type { Rule } from './rules/rule.ts';
import { product } from './shapes.ts';
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
  // The forward pass has computed it already. The loss is a target as a rule, its own gradient the constant 1.
  'millrace.CrossEntropy': ({ outputs: [loss, gradient] }, [dy]) => [
    dy === loss!.graph.constant(1) ? gradient : mul(gradient!, dy!),
  ],
};
