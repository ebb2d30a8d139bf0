/** Gradient of the matrix product y = alpha * op(a) op(b), where op may transpose. */
import { matmul, rows } from '../ops.ts';
import { type Rule, unbroadcast } from './rule.ts';

export const linear: Record<string, Rule> = {
  MatMul: ({ inputs, attributes }, [dy]) => {
    const [a, b] = [inputs[0]!, inputs[1]!];
    const [transA, transB] = [attributes.transA !== undefined, attributes.transB !== undefined];
    const scale = attributes.alpha && 'float' in attributes.alpha ? attributes.alpha.float : 1;
    const product = (...[x, y, tx, ty]: [typeof a, typeof a, boolean, boolean]) =>
      matmul(x, y, { transA: tx, transB: ty, alpha: scale });
    const da = transA ? product(b, dy!, transB, true) : product(dy!, b, false, !transB);
    // A weight [k, n] under activations [.., m, k]: one product over all rows in place of one a batch entry and a sum.
    if (b.rank === 2 && a.rank > 2 && !transA) {
      const [x, d] = [rows(a), rows(dy!)];
      return [unbroadcast(da, a.shape), transB ? product(d, x, true, false) : product(x, d, true, false)];
    }
    const db = transB ? product(dy!, a, true, transA) : product(a, dy!, !transA, false);
    return [unbroadcast(da, a.shape), unbroadcast(db, b.shape)];
  },
};
