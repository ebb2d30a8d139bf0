/** ONNX writer: a graph and the values wanted from it go in, the bytes of an ONNX model come out (onnx.proto, IR 10). */
import { type Field, Float, message } from './protobuf.ts';
import type { Attribute, DType, Graph, Node, Shape, Value } from './value.ts';

const IR_VERSION = 10;
/** The first opset with RotaryEmbedding. */
const OPSET = 23;
const ELEMENT: Record<DType, number> = {
  float32: 1,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
};

export interface OnnxOptions {
  /** Name in the file -> value. */
  outputs: Map<string, Value>;
  name?: string;
  /** Leave out inputs that no output depends on. */
  prune?: boolean;
  /** Inputs that become part of the file: name -> little-endian bytes. */
  initializers?: ReadonlyMap<string, Uint8Array>;
  /** Plain ONNX wherever it can say it: no FusedMatMul of ONNX Runtime's own. */
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
    ...nodes.flatMap((node) => (portable ? plainNodes(node) : [writeNode(node)])).map((fields): Field => [1, fields]),
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
  const domains = new Set(nodes.filter((node) => !(portable && node.op === 'MatMul')).map(domainOf));
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

/** MatMul with a transposed operand or a factor is ONNX Runtime's FusedMatMul; cached attention is its own op too. */
const domainOf = (node: Node) =>
  (node.op === 'MatMul' && Object.keys(node.attributes).length > 0) || node.op === 'GroupQueryAttention'
    ? 'com.microsoft'
    : node.op.split('.').slice(0, -1).join('.');

function writeNode(node: Node): Field[] {
  const domain = domainOf(node);
  const used = (value: Value | undefined) => value?.name ?? '';
  const fields = nodeFields(
    domain && node.op === 'MatMul' ? 'FusedMatMul' : node.op.split('.').at(-1)!,
    node.inputs.map(used),
    node.outputs.map(used),
    node.op === 'Cast' ? { to: { int: ELEMENT[node.outputs[0]!.dtype] } } : node.attributes,
  );
  return domain ? [...fields, [7, domain]] : fields;
}

/** A matrix product with a transposed operand or a factor as Transpose, MatMul and Mul. */
function plainNodes(node: Node): Field[][] {
  if (node.op !== 'MatMul' || domainOf(node) === '') return [writeNode(node)];
  const [out] = node.outputs as [Value];
  const nodes: Field[][] = [];
  const operands = (['transA', 'transB'] as const).map((key, i) => {
    const value = node.inputs[i]!;
    if (!(key in node.attributes)) return value.name;
    const axes = value.shape.map((_, axis) => axis);
    const perm = [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!];
    const name = `${out.name}.${key}`;
    nodes.push(nodeFields('Transpose', [value.name], [name], { perm: { ints: perm } }));
    return name;
  });
  const alpha = node.attributes.alpha as { float: number } | undefined;
  const product = alpha ? `${out.name}.product` : out.name;
  nodes.push(nodeFields('MatMul', operands, [product], {}));
  if (alpha) {
    const factor = `${out.name}.alpha`;
    const constant = tensor(factor, [], out.dtype, new Uint8Array(Float32Array.of(alpha.float).buffer));
    nodes.push([
      [2, factor],
      [3, `Constant:${factor}`],
      [4, 'Constant'],
      [
        5,
        [
          [1, 'value'],
          [5, constant],
          [20, 4],
        ],
      ],
    ]);
    nodes.push(nodeFields('Mul', [product, factor], [out.name], {}));
  }
  return nodes;
}

function nodeFields(op: string, inputs: string[], outputs: string[], attributes: Record<string, Attribute>): Field[] {
  return [
    // Optional inputs left out at the end are not written at all: the runtime's optimizer crashes on an empty bias.
    ...inputs.slice(0, inputs.findLastIndex((input) => input !== '') + 1).map((input): Field => [1, input]),
    ...outputs.map((output): Field => [2, output]),
    [3, `${op}:${outputs[0]}`],
    [4, op],
    ...Object.entries(attributes).map(([key, value]): Field => [5, attribute(key, value)]),
  ];
}

function attribute(name: string, value: Attribute): Field[] {
  if ('int' in value)
    return [
      [1, name],
      [3, value.int],
      [20, 2],
    ];
  if ('float' in value)
    return [
      [1, name],
      [2, new Float(value.float)],
      [20, 1],
    ];
  if ('string' in value)
    return [
      [1, name],
      [4, value.string],
      [20, 3],
    ];
  return [[1, name], ...value.ints.map((int): Field => [8, int]), [20, 7]];
}

const tensor = (name: string, shape: number[], dtype: DType, data: Uint8Array): Field[] => [
  ...shape.map((dim): Field => [1, dim]),
  [2, ELEMENT[dtype]],
  [8, name],
  [9, data],
];

const valueInfo = (name: string, dtype: DType, shape: Shape): Field[] => [
  [1, name],
  [
    2,
    [
      [
        1,
        [
          [1, ELEMENT[dtype]],
          [2, shape.map((dim): Field => [1, [[typeof dim === 'number' ? 1 : 2, dim]]])],
        ],
      ],
    ],
  ],
];

const opset = (domain: string, version: number): Field[] => [
  [1, domain],
  [2, version],
];
