/** Order where data alone does not give it: a value goes in, the same value that waits for others comes out. */
import { add, cast, greater, reshape, slice } from './ops.ts';
import { product } from './shapes.ts';
import type { Value } from './value.ts';

/**
 * `x`, but no earlier than `others` (floats of fixed shapes): x + 0, where the 0 is what comparing an element of each with
 * infinity gives, whatever they hold, NaN included. The runtime can't see that it is 0.
 */
export function after(x: Value, others: Value[]): Value {
  return others.reduce((value, other) => add(value, zeroFrom(other, x)), x);
}

function zeroFrom(other: Value, like: Value): Value {
  const count = product(other.shape);
  const first = count === 1 ? other : slice(reshape(other, [count]), 0, 0, 1);
  const never = greater(first, Number.POSITIVE_INFINITY);
  return reshape(cast(never, like.dtype), []);
}
