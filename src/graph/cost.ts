/** What a graph costs: a graph goes in, floating-point operations come out. */
import { reachable } from './onnx.ts';
import { product } from './shapes.ts';
import type { Graph, Value } from './value.ts';

/** 2 m n k summed over the matrix products that `wanted` needs; undefined where a size is not known before the run. */
export function matmulFlops(graph: Graph, wanted: Value[]): number | undefined {
  let total = 0;
  for (const { op, inputs, outputs, attributes } of reachable(graph, wanted)) {
    if (op !== 'MatMul') continue;
    const elements = product(outputs[0]!.shape);
    const inner = inputs[0]!.shape.at(attributes.transA ? -2 : -1)!;
    if (typeof elements !== 'number' || typeof inner !== 'number') return undefined;
    total += 2 * elements * inner;
  }
  return total;
}
