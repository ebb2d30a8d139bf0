/** The frame of every pass: a graph goes in, a new one with the same inputs comes out, node by node as the pass says. */
import { reachable } from '../onnx.ts';
import { Graph, type Node, type Value } from '../value.ts';

export interface Rewriter {
  /** The new graph. */
  target: Graph;
  /** The new value of an old one. */
  at(value: Value): Value;
  /** Makes the node again with these inputs. */
  again(node: Node, inputs: (Value | undefined)[]): Value[];
}

/**
 * Makes the nodes that `wanted` needs anew, in order. `visit` gives the new outputs of a node; undefined keeps it as it is.
 * @returns the new value of each wanted one.
 */
export function rewrite(
  graph: Graph,
  wanted: Value[],
  visit: (node: Node, rewriter: Rewriter, index: number) => Value[] | undefined,
): { graph: Graph; at: (value: Value) => Value } {
  const target = new Graph({ native: graph.native, rounded: graph.rounded });
  const known = new Map<Value, Value>();
  for (const input of graph.inputs) known.set(input, target.input(input.name, input.dtype, input.shape));
  const at = (value: Value): Value => {
    const found = known.get(value);
    if (found) return found;
    const made = target.copyConstant(value);
    known.set(value, made);
    return made;
  };
  const again = (node: Node, inputs: (Value | undefined)[]) =>
    target.apply(node.op, inputs, node.outputs, node.attributes);
  reachable(graph, wanted).forEach((node, index) => {
    const outputs =
      visit(node, { target, at, again }, index) ??
      again(
        node,
        node.inputs.map((input) => input && at(input)),
      );
    node.outputs.forEach((output, i) => {
      known.set(output, outputs[i]!);
    });
  });
  return { graph: target, at };
}
