/**
 * Nodes go in; the same in ops that every runtime and provider has come out. ONNX Runtime's WebGPU provider has neither
 * FusedMatMul nor LogSoftmax: such nodes would run on the CPU, with copies there and back.
 */
import { domainOf, nodeFields, tensor, writeNode } from './onnx_fields.ts';
import type { Field } from './protobuf.ts';
import type { DType, Node, Value } from './value.ts';

export const portableDomain = (node: Node): string => (node.op === 'MatMul' ? '' : domainOf(node));

export function portableNodes(node: Node): Field[][] {
  if (node.op === 'MatMul' && domainOf(node) !== '') return product(node);
  if (node.op === 'LogSoftmax') return logSoftmax(node);
  return [writeNode(node)];
}

/** A matrix product with a transposed operand or a factor: Transpose, MatMul, Mul. */
function product({ inputs, outputs, attributes }: Node): Field[][] {
  const [out] = outputs as [Value];
  const nodes: Field[][] = [];
  const operands = (['transA', 'transB'] as const).map((key, i) => {
    const value = inputs[i]!;
    if (!(key in attributes)) return value.name;
    const axes = value.shape.map((_, axis) => axis);
    const perm = [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!];
    const name = `${out.name}.${key}`;
    nodes.push(nodeFields('Transpose', [value.name], [name], { perm: { ints: perm } }));
    return name;
  });
  const alpha = attributes.alpha as { float: number } | undefined;
  const plain = alpha ? `${out.name}.product` : out.name;
  nodes.push(nodeFields('MatMul', operands, [plain], {}));
  if (alpha) {
    const factor = `${out.name}.alpha`;
    nodes.push(constant(factor, [], out.dtype, Float32Array.of(alpha.float)));
    nodes.push(nodeFields('Mul', [plain, factor], [out.name], {}));
  }
  return nodes;
}

/** (x - max) - log(sum(exp(x - max))) over the last axis. */
function logSoftmax({ inputs, outputs }: Node): Field[][] {
  const [x, out] = [inputs[0]!.name, outputs[0]!.name];
  const part = (name: string) => `${out}.${name}`;
  return [
    constant(part('axes'), [1], 'int64', BigInt64Array.of(-1n)),
    nodeFields('ReduceMax', [x, part('axes')], [part('max')], {}),
    nodeFields('Sub', [x, part('max')], [part('below')], {}),
    nodeFields('Exp', [part('below')], [part('exp')], {}),
    nodeFields('ReduceSum', [part('exp'), part('axes')], [part('sum')], {}),
    nodeFields('Log', [part('sum')], [part('log')], {}),
    nodeFields('Sub', [part('below'), part('log')], [out], {}),
  ];
}

/** A Constant node. */
function constant(name: string, shape: number[], dtype: DType, values: Float32Array | BigInt64Array): Field[] {
  const bytes = new Uint8Array(values.buffer);
  const value: Field[] = [
    [1, 'value'],
    [5, tensor(name, shape, dtype, bytes)],
    [20, 4],
  ];
  return [
    [2, name],
    [3, `Constant:${name}`],
    [4, 'Constant'],
    [5, value],
  ];
}
