/** Gradients of the reductions and of softmax. */
import { cast, div, equal, exp, expand, mul, reshape, sub, sum } from '../ops.ts';
import type { Step, Value } from '../value.ts';
import type { Rule } from './rule.ts';

/** The gradient of a reduced tensor with the reduced axes back in place, size 1. */
function kept(step: Step, grad: Value): Value {
  const x = step.inputs[0]!;
  const bytes = x.graph.constants.get(step.inputs[1]!)!;
  const axes = Array.from(new BigInt64Array(bytes.slice().buffer), Number);
  return reshape(
    grad,
    x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim)),
  );
}

/** How many elements each output of a reduction is made of. */
function reduced(step: Step): number {
  const [x, y] = [step.inputs[0]!, step.outputs[0]!];
  return x.shape.reduce<number>((n, _, i) => n * x.size(i), 1) / y.shape.reduce<number>((n, _, i) => n * y.size(i), 1);
}

export const reduction: Record<string, Rule> = {
  ReduceSum: (step, [dy]) => [expand(kept(step, dy!), step.inputs[0]!.shape, step.inputs[0]!)],
  ReduceMean: (step, [dy]) => [expand(mul(kept(step, dy!), 1 / reduced(step)), step.inputs[0]!.shape, step.inputs[0]!)],
  ReduceSumSquare: (step, [dy]) => [mul(step.inputs[0]!, mul(kept(step, dy!), 2))],
  // Equal largest elements share the gradient, as in PyTorch's amax.
  ReduceMax: (step, [dy]) => {
    const x = step.inputs[0]!;
    const hit = cast(equal(x, kept(step, step.outputs[0]!)), x.dtype);
    const axes = x.shape.map((_, i) => i).filter((i) => kept(step, dy!).shape[i] === 1);
    return [mul(kept(step, dy!), div(hit, sum(hit, { axes, keep: true })))];
  },
  Softmax: ({ outputs: [p] }, [dy]) => [mul(p!, sub(dy!, sum(mul(p!, dy!), { axes: [-1], keep: true })))],
  LogSoftmax: ({ outputs: [y] }, [dy]) => [sub(dy!, mul(exp(y!), sum(dy!, { axes: [-1], keep: true })))],
};
