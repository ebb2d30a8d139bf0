/** Gradients of the ops that move elements without changing them. */
import { concat, expand, reshape, split, transpose, zerosLike } from '../ops.ts';
import { type Dim, type Step, Value } from '../value.ts';
import { type Rule, unbroadcast } from './rule.ts';

const axisOf = ({ attributes }: Step) => (attributes.axis && 'int' in attributes.axis ? attributes.axis.int : 0);

/** Zeros of the shape of `like`, with `size` on `axis`. */
function zeros(like: Value, axis: number, size: number): Value | undefined {
  if (size === 0) return undefined;
  if (like.size(axis) === size) return zerosLike(like);
  const shape = like.shape.map((dim, i): Dim => (i === axis ? size : dim));
  return expand(like.graph.constant(0, like.dtype), shape);
}

export const shaping: Record<string, Rule> = {
  Reshape: ({ inputs }, [dy]) => [reshape(dy!, inputs[0]!.shape)],
  Transpose: ({ attributes }, [dy]) => {
    const perm = (attributes.perm as { ints: number[] }).ints;
    return [
      transpose(
        dy!,
        perm.map((_, i) => perm.indexOf(i)),
      ),
    ];
  },
  Expand: ({ inputs }, [dy]) => [unbroadcast(dy!, inputs[0]!.shape)],
  Concat: (step, [dy]) => {
    const axis = axisOf(step);
    return split(
      dy!,
      axis,
      step.inputs.map((input) => input!.size(axis)),
    );
  },
  Split: (step, grads) => [
    concat(
      step.outputs.map((output, i) => grads[i] ?? zerosLike(output)),
      axisOf(step),
    ),
  ],
  Slice: ({ inputs }, [dy]) => {
    const x = inputs[0]!;
    const [start, end, axis] = inputs.slice(1).map((value) => int(value!));
    const parts = [zeros(dy!, axis!, start!), dy, zeros(dy!, axis!, x.size(axis!) - end!)];
    return [
      concat(
        parts.filter((part) => part instanceof Value),
        axis!,
      ),
    ];
  },
};

function int(value: Value): number {
  const bytes = value.graph.constants.get(value)!;
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0, true));
}
