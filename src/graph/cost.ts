/** What a graph costs: a graph goes in, floating-point operations and bytes of memory come out. */
import { reachable } from './onnx.ts';
import { product } from './shapes.ts';
import type { Attributes, DType, Graph, Value } from './value.ts';

/** 2 m n k summed over the matrix products that `wanted` needs; undefined where a size is not known before the run. */
export function matmulFlops(graph: Graph, wanted: Value[]): number | undefined {
  let total = 0;
  for (const { op, inputs, outputs, attributes } of reachable(graph, wanted)) {
    if (ATTENTION.has(op)) total += ATTENTION.get(op)! * attentionFlops(inputs as Value[], attributes);
    if (!PRODUCT.test(op)) continue;
    const elements = product(outputs[0]!.shape);
    const inner = inputs[0]!.shape.at(attributes.transA ? -2 : -1)!;
    if (typeof elements !== 'number' || typeof inner !== 'number') return undefined;
    total += 2 * elements * inner;
  }
  return total;
}

const PRODUCT = /^(millrace\.)?(MatMul|Linear)(Add)?$/;
/** Products of the size of the scores that these make; the weights made again are not counted. */
const ATTENTION = new Map([
  ['millrace.Attention', 2],
  ['millrace.AttentionGrad', 4],
]);

function attentionFlops([q, k]: Value[], { heads }: Attributes): number {
  const [batch, queries, width] = q!.shape as number[];
  return heads ? 2 * batch! * queries! * width! * k!.size(1) : 0;
}

const ITEM: Partial<Record<DType, number>> = { float64: 8, int64: 8, float16: 2, bfloat16: 2, bool: 1 };
/** The runtime writes their output over an input that nobody reads any more. */
const IN_PLACE = new Set(['Add', 'Sub', 'Mul', 'Div', 'Neg', 'Exp', 'Sqrt', 'Sigmoid', 'Tanh', 'Erf', 'Softmax']);
/** So do these of our own. */
const OWN_IN_PLACE = /^millrace\.(MaskedSoftmax|CrossEntropy|AddRows|MatMulAdd|LinearAdd|(?!Attention)\w+Grad)$/;
/** Their output is the input's memory under another shape. */
const VIEWS = new Set(['Reshape', 'Unsqueeze', 'Squeeze', 'Identity']);

/**
 * Bytes of intermediate tensors that are alive at once, at most, when the nodes run in order and memory is used again as
 * soon as it can be. Inputs, parameters and what is put out are not counted. Undefined where a size is not known before
 * the run.
 */
export function activationBytes(graph: Graph, wanted: Value[]): number | undefined {
  const nodes = reachable(graph, wanted);
  const owner = new Map<Value, Value>();
  const own = (value: Value): Value => owner.get(value) ?? value;
  const lastUse = new Map<Value, number>();
  nodes.forEach((node, at) => {
    const [first] = node.inputs;
    if (VIEWS.has(node.op) && first) owner.set(node.outputs[0]!, own(first));
    for (const value of [...node.inputs, ...node.outputs]) if (value) lastUse.set(own(value), at);
  });
  const kept = new Set(wanted.map(own));
  const size = new Map<Value, number>();
  let now = 0;
  let most = 0;
  for (const [at, node] of nodes.entries()) {
    const dying = [...new Set(node.inputs.flatMap((value) => (value ? own(value) : [])))].filter(
      (value) => size.has(value) && lastUse.get(value) === at,
    );
    let free = 0;
    for (const value of dying) free += size.get(value)!;
    for (const output of node.outputs) {
      if (own(output) !== output || kept.has(output)) continue;
      const elements = product(output.shape);
      if (typeof elements !== 'number') return undefined;
      const bytes = elements * (ITEM[output.dtype] ?? 4);
      if (lastUse.get(output) !== at) size.set(output, bytes);
      const reuse =
        (IN_PLACE.has(node.op) || OWN_IN_PLACE.test(node.op)) && dying.some((value) => size.get(value) === bytes);
      most = Math.max(most, now + (reuse ? 0 : bytes));
      if (lastUse.get(output) !== at) now += bytes;
    }
    now -= free;
  }
  return most;
}
