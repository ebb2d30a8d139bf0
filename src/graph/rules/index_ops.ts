/** Gradients of the ops that pick elements by index. */
import * as native from '../native.ts';
import { expand, reshape, scatterAdd, zerosLike } from '../ops.ts';
import { product } from '../shapes.ts';
import type { Value } from '../value.ts';
import type { Rule } from './rule.ts';

/** Adds rows of gradient into the gradient of their table, on top of what it has already (from a tied head, say). */
export const scatterRows = (table: Value, indices: Value, dy: Value) => (gathered: Value | undefined) => {
  if (table.graph.native && native.fitsRows(table, indices))
    return native.addRows(gathered ?? zerosLike(table), indices, dy);
  const count = product(indices.shape);
  const updates = reshape(dy, [count, product(table.shape.slice(1))]);
  const at = expand(reshape(indices, [count, 1]), updates.shape, updates);
  const total = gathered ?? zerosLike(table);
  const flat = reshape(total, [table.shape[0]!, product(table.shape.slice(1))]);
  return reshape(scatterAdd(flat, at, updates, 0), table.shape);
};

export const index: Record<string, Rule> = {
  Gather: ({ inputs: [table, indices] }, [dy]) => [scatterRows(table!, indices!, dy!)],
  GatherElements: ({ inputs: [x, indices] }, [dy]) => [scatterAdd(zerosLike(x!), indices!, dy!, -1)],
};
