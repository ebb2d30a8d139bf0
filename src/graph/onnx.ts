/** ONNX writer: a graph and the values wanted from it go in, the bytes of an ONNX model come out (onnx.proto, IR 10). */
import { domainOf, nodeFields, opset, tensor, valueInfo, writeNode } from './onnx_fields.ts';
import { portableDomain, portableNodes } from './portable.ts';
import { type Field, message } from './protobuf.ts';
import type { Graph, Node, Value } from './value.ts';

const IR_VERSION = 10;
/** The first opset with RotaryEmbedding. */
const OPSET = 23;
export interface OnnxOptions {
  /** Name in the file -> value. */
  outputs: Map<string, Value>;
  name?: string;
  /** Leave out inputs that no output depends on. */
  prune?: boolean;
  /** Inputs that become part of the file: name -> little-endian bytes. */
  initializers?: ReadonlyMap<string, Uint8Array>;
  /** Ops that every runtime and provider has, where they can say it: see portable.ts. */
  portable?: boolean;
}

export function writeOnnx(graph: Graph, options: OnnxOptions): Uint8Array {
  const { outputs, name = 'millrace', prune = false, portable = false, initializers = new Map() } = options;
  const nodes = reachable(graph, [...outputs.values()]);
  const used = new Set(nodes.flatMap((node) => node.inputs));
  for (const value of outputs.values()) used.add(value);
  // A value put out under another name (or twice) goes through Identity, which the runtime folds away where it can.
  const renamed = [...outputs]
    .filter(([to, value]) => to !== value.name)
    .map(([to, value]): Field => [1, nodeFields('Identity', [value.name], [to], {})]);
  const given = graph.inputs.filter((value) => !prune || used.has(value));
  const inputs = given.filter((value) => !initializers.has(value.name));
  const stored = given.filter((value) => initializers.has(value.name));
  const graphFields: Field[] = [
    ...nodes
      .flatMap((node) => (portable ? portableNodes(node) : [writeNode(node)]))
      .map((fields): Field => [1, fields]),
    ...renamed,
    [2, name],
    ...[...graph.constants]
      .filter(([value]) => used.has(value))
      .map(([value, data]): Field => [5, tensor(value.name, value.shape as number[], value.dtype, data)]),
    ...stored.map(
      (value): Field => [5, tensor(value.name, value.shape as number[], value.dtype, initializers.get(value.name)!)],
    ),
    ...inputs.map((value): Field => [11, valueInfo(value.name, value.dtype, value.shape)]),
    ...[...outputs].map(([to, value]): Field => [12, valueInfo(to, value.dtype, value.shape)]),
  ];
  const domains = new Set(nodes.map(portable ? portableDomain : domainOf));
  return message([
    [1, IR_VERSION],
    [2, 'millrace'],
    [7, graphFields],
    [8, opset('', OPSET)],
    ...[...domains].filter(Boolean).map((domain): Field => [8, opset(domain, 1)]),
  ]);
}

/** The nodes that the wanted values depend on, in order. */
export function reachable(graph: Graph, wanted: Value[]): Node[] {
  const needed = new Set<Value | undefined>(wanted);
  const kept: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    for (const input of node.inputs) needed.add(input);
    kept.push(node);
  }
  return kept.reverse();
}
