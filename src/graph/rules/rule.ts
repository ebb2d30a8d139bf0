/** What a gradient rule is, and the one helper that nearly all of them share. */
import { matmul, reshape, rows, sum } from '../ops.ts';
import { sameShape } from '../shapes.ts';
import type { Shape, Step, Value } from '../value.ts';

/**
 * For each input of the step its share of the gradient, given the gradient of each output (undefined where nothing
 * flows back). A function takes what has been gathered for that input so far and returns the new total, for ops that
 * add into a tensor more cheaply than by a whole tensor of their own.
 */
export type Rule = (
  step: Step,
  grads: (Value | undefined)[],
) => (Value | ((gathered: Value | undefined) => Value) | undefined)[];

/** Constants take no gradient. */
export const isFixed = (value: Value) => value.graph.constants.has(value);

/** Undoes broadcasting: sums `grad` down to `shape`. */
export function unbroadcast(grad: Value, shape: Shape): Value {
  if (sameShape(grad.shape, shape)) return grad;
  const lead = grad.rank - shape.length;
  // A bias: every axis but the last goes. A product with ones takes under half the time of a sum over the first axis.
  if (shape.length === 1 && shape[0] === grad.shape.at(-1) && grad.shape.slice(0, -1).every(isNumber)) {
    const flat = rows(grad);
    const ones = grad.graph.constant(new Float32Array(flat.size(0)).fill(1), grad.dtype, [1, flat.size(0)]);
    return reshape(matmul(ones, flat), shape);
  }
  const axes = grad.shape.map((_, i) => i).filter((i) => i < lead || (shape[i - lead] === 1 && grad.shape[i] !== 1));
  return reshape(sum(grad, { axes, keep: true }), shape);
}

const isNumber = (dim: number | string) => typeof dim === 'number';
