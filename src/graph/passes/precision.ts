/**
 * Mixed precision (Micikevicius et al. 2018): a float32 graph goes in, one whose matrix products run in bfloat16 comes out.
 * Weights, moments, norms, softmax, losses and all sums stay float32; a weight is cast where a product reads it.
 */
import { cast, matmul } from '../ops.ts';
import type { Graph, Node, Value } from '../value.ts';
import { type Rewriter, rewrite } from './rewrite.ts';

export interface PrecisionOptions {
  /**
   * Round the operands to bfloat16 but multiply in float32, for runtimes without bfloat16 products (the CPU's). The results
   * are those of bfloat16 products that add up in float32.
   */
  emulate?: boolean;
}

/** Ops that only move elements: their bfloat16 form is made of their input's, so that no cast stands between two products. */
const movers = new Set(['Reshape', 'Transpose', 'Split', 'Slice', 'Concat', 'Expand', 'Identity']);

export function mixedPrecision(graph: Graph, wanted: Value[], { emulate = false }: PrecisionOptions = {}) {
  // The bfloat16 form of old values, made when a product first wants it.
  const low = new Map<Value, Value>();
  const lowOf = (value: Value, rewriter: Rewriter): Value => {
    const known = low.get(value);
    if (known) return known;
    const { node } = value;
    if (node && movers.has(node.op)) {
      const inputs = node.inputs.map(
        (input) => input && (input.dtype === 'float32' ? lowOf(input, rewriter) : rewriter.at(input)),
      );
      const types = node.outputs.map(({ shape }) => ({ shape, dtype: 'bfloat16' as const }));
      rewriter.target.apply(node.op, inputs, types, node.attributes).forEach((output, i) => {
        low.set(node.outputs[i]!, output);
      });
    } else low.set(value, cast(rewriter.at(value), 'bfloat16'));
    return low.get(value)!;
  };
  return rewrite(graph, wanted, (node, rewriter) => {
    if (node.op !== 'MatMul' || node.outputs[0]!.dtype !== 'float32') return undefined;
    const [a, b] = node.inputs.map((input) => lowOf(input!, rewriter));
    const options = matmulOptions(node);
    if (emulate) return [matmul(cast(a!, 'float32'), cast(b!, 'float32'), options)];
    const product = matmul(a!, b!, options);
    low.set(node.outputs[0]!, product);
    return [cast(product, 'float32')];
  });
}

function matmulOptions({ attributes: { transA, transB, alpha } }: Node) {
  return {
    transA: transA !== undefined,
    transB: transB !== undefined,
    ...(alpha && 'float' in alpha && { alpha: alpha.float }),
  };
}
