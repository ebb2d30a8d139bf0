/**
 * Matrix products of the native crate's own: a graph goes in, one whose products are its operators comes out, each joined with
 * the bias, residual or gradient that is added to it (native/src/runtime/operators/product.rs).
 */
import { reachable } from '../onnx.ts';
import { sameShape } from '../shapes.ts';
import type { Graph, Node, Value } from '../value.ts';
import { rewrite } from './rewrite.ts';

/** A product and what is added to it. */
interface Joined {
  product: Node;
  /** Of the product's shape. */
  start?: Value;
  /** One row. */
  bias?: Value;
}

export function ownProducts(graph: Graph, wanted: Value[]) {
  const nodes = reachable(graph, wanted);
  const uses = new Map<Value, number>();
  for (const value of [...nodes.flatMap(({ inputs }) => inputs), ...wanted])
    if (value) uses.set(value, (uses.get(value) ?? 0) + 1);
  const joined = new Map<Node, Joined>();
  const taken = new Set<Node>();
  for (const node of nodes) {
    if (fits(node)) joined.set(node, { product: node });
    const found = node.op === 'Add' ? join(node, joined, uses) : undefined;
    if (!found) continue;
    taken.add(found.from);
    joined.set(node, found.joined);
  }
  return rewrite(graph, wanted, (node, { target, at }) => {
    if (taken.has(node)) return [];
    const found = joined.get(node);
    if (!found) return undefined;
    const { product, start, bias } = found;
    const inputs = [...product.inputs, start, bias].flatMap((value) => (value ? at(value) : []));
    const op = `millrace.${bias ? 'Linear' : 'MatMul'}${start ? 'Add' : ''}`;
    return target.apply(op, inputs, node.outputs, product.attributes);
  });
}

/** The product that an addition can be part of: one that nothing else reads, the later one where there are two. */
function join(node: Node, joined: ReadonlyMap<Node, Joined>, uses: ReadonlyMap<Value, number>) {
  const [a, b] = node.inputs as [Value, Value];
  for (const [value, other] of [
    [b, a],
    [a, b],
  ] as const) {
    const from = value.node;
    const known = from && joined.get(from);
    if (!known || known.start || uses.get(value) !== 1 || !sameShape(value.shape, node.outputs[0]!.shape)) continue;
    if (sameShape(other.shape, value.shape)) return { from, joined: { ...known, start: other } };
    const row = other.rank === 1 && other.shape[0] === value.shape.at(-1);
    if (row && !known.bias) return { from, joined: { ...known, bias: other } };
  }
  return undefined;
}

/** Fixed sizes, and either one matrix on the right or as many as on the left. */
function fits({ op, inputs: [a, b], outputs: [y] }: Node): boolean {
  if (op !== 'MatMul' || y!.dtype !== 'float32') return false;
  const fixed = [a!, b!].every(({ rank, shape }) => rank >= 2 && shape.every((dim) => typeof dim === 'number'));
  return fixed && (b!.rank === 2 || sameShape(a!.shape.slice(0, -2), b!.shape.slice(0, -2)));
}
