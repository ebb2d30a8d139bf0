/** Shape arithmetic: shapes go in, the shape of a result comes out, or an error that shows both shapes. */
import { MillraceError } from '../errors.ts';
import type { Dim, Shape } from './value.ts';

export const show = (shape: Shape) => `[${shape.join(', ')}]`;

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** NumPy broadcasting. */
export function broadcast(a: Shape, b: Shape, op: string): Dim[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    throw new MillraceError('internal', `${op}: shapes ${show(a)} and ${show(b)} do not go together`);
  });
}

/** The number of elements, as a number where every size is known, else the product spelled out. */
export function product(shape: Shape): Dim {
  const known = shape.filter((dim) => typeof dim === 'number').reduce((a, b) => a * b, 1);
  const names = shape.filter((dim) => typeof dim === 'string').flatMap((dim) => dim.split('*'));
  if (names.length === 0) return known;
  return [...(known === 1 ? [] : [String(known)]), ...names.sort()].join('*');
}

/** product(shape) / divisor, where it divides. */
export function quotient(shape: Shape, divisor: Shape): Dim | undefined {
  const top = factors(shape);
  const bottom = factors(divisor);
  for (const name of bottom.names) {
    const at = top.names.indexOf(name);
    if (at < 0) return undefined;
    top.names.splice(at, 1);
  }
  const known = top.known / bottom.known;
  if (!Number.isInteger(known)) return undefined;
  return product([known, ...top.names]);
}

function factors(shape: Shape): { known: number; names: string[] } {
  const parts = shape.flatMap((dim) => (typeof dim === 'number' ? [String(dim)] : dim.split('*')));
  const numbers = parts.filter((part) => /^\d+$/.test(part));
  return { known: numbers.reduce((a, b) => a * Number(b), 1), names: parts.filter((part) => !/^\d+$/.test(part)) };
}

/** Axes counted from the end made positive, in rising order. */
export function axesOf(axes: readonly number[], rank: number): number[] {
  return axes.map((axis) => (axis < 0 ? axis + rank : axis)).sort((a, b) => a - b);
}
