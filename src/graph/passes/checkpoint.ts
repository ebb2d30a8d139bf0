/**
 * Activation checkpointing (Chen et al. 2016): a graph with its backward pass goes in, one that keeps only what enters each
 * segment of the forward pass comes out; the rest of a segment is computed again when its gradient arrives.
 */
import { after } from '../gate.ts';
import { reachable } from '../onnx.ts';
import type { Graph, Node, Value } from '../value.ts';
import { type Rewriter, rewrite } from './rewrite.ts';

/** `forward` is the set of nodes made before the gradients were asked for. */
export function checkpoint(graph: Graph, wanted: Value[], forward: ReadonlySet<Node>) {
  const nodes = reachable(graph, wanted);
  const triggers = findTriggers(nodes, forward);
  const kept = boundaries(nodes, forward);
  const isInner = (value: Value | undefined): value is Value =>
    value?.node?.segment !== undefined &&
    forward.has(value.node) &&
    !kept.has(value) &&
    triggers.has(value.node.segment);
  const again = new Map<Value, Value>();
  const entered = new Map<string, Map<Value, Value>>([...triggers.keys()].map((segment) => [segment, new Map()]));

  /** What enters a segment waits for the gradient, so that the work is neither done early nor merged with the first one. */
  const entering = (input: Value, segment: string, rewriter: Rewriter): Value => {
    if (!input.node || !floats.has(input.dtype)) return rewriter.at(input);
    const known = entered.get(segment)!;
    const made = known.get(input) ?? after(rewriter.at(input), [rewriter.at(triggers.get(segment)!)]);
    known.set(input, made);
    return made;
  };
  const recompute = (value: Value, rewriter: Rewriter): Value => {
    const node = value.node!;
    if (!again.has(value)) {
      const inputs = node.inputs.map(
        (input) => input && (isInner(input) ? recompute(input, rewriter) : entering(input, node.segment!, rewriter)),
      );
      rewriter.again(node, inputs).forEach((output, i) => {
        again.set(node.outputs[i]!, output);
      });
    }
    return again.get(value)!;
  };
  return rewrite(graph, wanted, (node, rewriter) => {
    if (forward.has(node) || !node.inputs.some(isInner)) return undefined;
    const inputs = node.inputs.map(
      (input) => input && (isInner(input) ? recompute(input, rewriter) : rewriter.at(input)),
    );
    return rewriter.again(node, inputs);
  });
}

const floats = new Set(['float32', 'float16', 'bfloat16', 'float64']);

/** Values that leave their segment in the forward pass: they are kept. */
function boundaries(nodes: Node[], forward: ReadonlySet<Node>): Set<Value> {
  const found = new Set<Value>();
  for (const node of nodes)
    if (forward.has(node))
      for (const input of node.inputs)
        if (input?.node?.segment !== undefined && input.node.segment !== node.segment) found.add(input);
  return found;
}

/** For each segment the last gradient made before its backward pass begins: what the recomputation waits for. */
function findTriggers(nodes: Node[], forward: ReadonlySet<Node>): Map<string, Value> {
  const isGradient = (value: Value | undefined) => value?.node !== undefined && !forward.has(value.node);
  const found = new Map<string, Value>();
  let latest: Value | undefined;
  for (const node of nodes) {
    if (forward.has(node)) continue;
    for (const input of node.inputs) {
      const segment = input?.node && forward.has(input.node) ? input.node.segment : undefined;
      if (segment !== undefined && latest && !found.has(segment)) found.set(segment, latest);
    }
    const [output] = node.outputs;
    if (floats.has(output!.dtype) && node.inputs.some(isGradient)) latest = output;
  }
  return found;
}
