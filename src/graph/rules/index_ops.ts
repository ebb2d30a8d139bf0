/** Gradients of the ops that pick elements by index. */
import { expand, reshape, rows, scatterAdd, zerosLike } from '../ops.ts';
import { product } from '../shapes.ts';
import type { Rule } from './rule.ts';

export const index: Record<string, Rule> = {
  // Rows of an embedding table: added into whatever gradient the table has already (a tied head's, say).
  Gather: ({ inputs: [table, indices] }, [dy]) => [
    (gathered) => {
      const width = product(table!.shape.slice(1));
      const updates = reshape(dy!, [product(indices!.shape), width]);
      const picked = expand(reshape(indices!, [product(indices!.shape), 1]), updates.shape, updates);
      const flat = gathered ?? zerosLike(table!);
      return reshape(scatterAdd(table!.rank === 2 ? flat : rows(flat), picked, updates, 0), table!.shape);
    },
  ],
  GatherElements: ({ inputs: [x, indices] }, [dy]) => [scatterAdd(zerosLike(x!), indices!, dy!, -1)],
};
