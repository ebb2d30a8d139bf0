/** The parts of an ONNX file as protobuf fields (onnx.proto): nodes, tensors and types go in, fields come out. */
import { type Field, Float } from './protobuf.ts';
import type { Attribute, DType, Node, Shape, Value } from './value.ts';

const ELEMENT: Record<DType, number> = {
  float32: 1,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
};

/** MatMul with a transposed operand or a factor is ONNX Runtime's FusedMatMul; cached attention is its own op too. */
export const domainOf = (node: Node) =>
  (node.op === 'MatMul' && Object.keys(node.attributes).length > 0) || node.op === 'GroupQueryAttention'
    ? 'com.microsoft'
    : node.op.split('.').slice(0, -1).join('.');

export function writeNode(node: Node): Field[] {
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

export function nodeFields(
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: Record<string, Attribute>,
): Field[] {
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

export const tensor = (name: string, shape: number[], dtype: DType, data: Uint8Array): Field[] => [
  ...shape.map((dim): Field => [1, dim]),
  [2, ELEMENT[dtype]],
  [8, name],
  [9, data],
];

export const valueInfo = (name: string, dtype: DType, shape: Shape): Field[] => [
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

export const opset = (domain: string, version: number): Field[] => [
  [1, domain],
  [2, version],
];
