/**
 * The ops: values go in, values with inferred shape and dtype come out. Each is one ONNX node unless its comment says
 * otherwise; numbers stand for scalar constants of the other operand's dtype.
 */
import { MillraceError } from '../errors.ts';
import { axesOf, broadcast, product, quotient, sameShape, show } from './shapes.ts';
import type { Dim, DType, Shape, Value } from './value.ts';

type Operand = Value | number;

function pair(op: string, a: Operand, b: Operand): [Value, Value] {
  if (typeof a === 'number' && typeof b === 'number') throw new MillraceError('internal', `${op} of two numbers`);
  const lift = (x: Operand, other: Operand) =>
    typeof x === 'number' ? (other as Value).graph.constant(x, (other as Value).dtype) : x;
  const [x, y] = [lift(a, b), lift(b, a)];
  if (x.dtype !== y.dtype)
    throw new MillraceError('internal', `${op} of ${x.name}: ${x.dtype} and ${y.name}: ${y.dtype}`);
  return [x, y];
}

function binary(op: string, a: Operand, b: Operand, dtype?: DType): Value {
  const [x, y] = pair(op, a, b);
  const shape = broadcast(x.shape, y.shape, op);
  return x.graph.apply(op, [x, y], [{ shape, dtype: dtype ?? x.dtype }])[0]!;
}

function unary(op: string, x: Value, dtype: DType = x.dtype): Value {
  return x.graph.apply(op, [x], [{ shape: x.shape, dtype }])[0]!;
}

export const add = (a: Operand, b: Operand) => binary('Add', a, b);
export const sub = (a: Operand, b: Operand) => binary('Sub', a, b);
export const mul = (a: Operand, b: Operand) => binary('Mul', a, b);
export const div = (a: Operand, b: Operand) => binary('Div', a, b);
export const pow = (a: Value, exponent: number) => binary('Pow', a, exponent);
export const maximum = (a: Operand, b: Operand) => binary('Max', a, b);
export const minimum = (a: Operand, b: Operand) => binary('Min', a, b);
export const equal = (a: Operand, b: Operand) => binary('Equal', a, b, 'bool');
export const greater = (a: Operand, b: Operand) => binary('Greater', a, b, 'bool');
export const greaterOrEqual = (a: Operand, b: Operand) => binary('GreaterOrEqual', a, b, 'bool');
export const and = (a: Value, b: Value) => binary('And', a, b, 'bool');
export const not = (x: Value) => unary('Not', x);
export const neg = (x: Value) => unary('Neg', x);
export const exp = (x: Value) => unary('Exp', x);
export const log = (x: Value) => unary('Log', x);
export const sqrt = (x: Value) => unary('Sqrt', x);
export const reciprocal = (x: Value) => unary('Reciprocal', x);
export const tanh = (x: Value) => unary('Tanh', x);
export const erf = (x: Value) => unary('Erf', x);
export const sigmoid = (x: Value) => unary('Sigmoid', x);
export const relu = (x: Value) => unary('Relu', x);

export function where(condition: Value, a: Operand, b: Operand): Value {
  const [x, y] = pair('Where', a, b);
  const shape = broadcast(condition.shape, broadcast(x.shape, y.shape, 'Where'), 'Where');
  return x.graph.apply('Where', [condition, x, y], [{ shape, dtype: x.dtype }])[0]!;
}

/** Casts; nothing where the dtype is right already. */
export function cast(x: Value, dtype: DType): Value {
  return x.dtype === dtype ? x : unary('Cast', x, dtype);
}

// Linear algebra.

export interface MatMulOptions {
  transA?: boolean;
  transB?: boolean;
  /** Factor on the product. */
  alpha?: number;
}

/** alpha * op(a) op(b) over the last two axes, leading axes broadcast. [.., m, k] x [.., k, n] -> [.., m, n]. */
export function matmul(a: Value, b: Value, options: MatMulOptions = {}): Value {
  const { transA = false, transB = false, alpha = 1 } = options;
  const [m, k] = transA ? [a.shape.at(-1), a.shape.at(-2)] : [a.shape.at(-2), a.shape.at(-1)];
  const [k2, n] = transB ? [b.shape.at(-1), b.shape.at(-2)] : [b.shape.at(-2), b.shape.at(-1)];
  if (m === undefined || n === undefined || k !== k2 || a.dtype !== b.dtype)
    throw new MillraceError('internal', `MatMul: ${show(a.shape)} and ${show(b.shape)} do not go together`);
  const lead = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2), 'MatMul');
  const attributes = {
    ...(transA && { transA: { int: 1 } }),
    ...(transB && { transB: { int: 1 } }),
    ...(alpha !== 1 && { alpha: { float: alpha } }),
  };
  return a.graph.apply('MatMul', [a, b], [{ shape: [...lead, m, n], dtype: a.dtype }], attributes)[0]!;
}

// Shape.

/** The shape as an int64 vector: a constant where it is known, else read from `like` when the graph runs. */
function shapeVector(graph: Value['graph'], shape: Shape, like: Value): Value {
  if (shape.every((dim) => typeof dim === 'number')) return graph.constant(shape as number[], 'int64');
  if (!sameShape(shape, like.shape)) throw new MillraceError('internal', `no source for the shape ${show(shape)}`);
  return graph.apply('Shape', [like], [{ shape: [like.rank], dtype: 'int64' }])[0]!;
}

/** Same elements, new shape. At most one size may be known only at the run, unless it stays on its axis. */
export function reshape(x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  if (quotient(x.shape, shape) !== 1)
    throw new MillraceError('internal', `Reshape: ${show(x.shape)} does not hold ${show(shape)}`);
  const target = shape.map((dim, i) => (typeof dim === 'number' ? dim : dim === x.shape[i] ? 0 : -1));
  if (target.filter((dim) => dim === -1).length > 1)
    throw new MillraceError('internal', `Reshape: ${show(x.shape)} to ${show(shape)} has two sizes to find out`);
  const to = x.graph.constant(target, 'int64');
  return x.graph.apply('Reshape', [x, to], [{ shape, dtype: x.dtype }])[0]!;
}

/** All axes but the last folded into one: [.., n] -> [rows, n]. */
export function rows(x: Value): Value {
  return reshape(x, [product(x.shape.slice(0, -1)), x.shape.at(-1)!]);
}

export function transpose(x: Value, perm: number[]): Value {
  const shape = perm.map((axis) => x.shape[axis]!);
  return x.graph.apply('Transpose', [x], [{ shape, dtype: x.dtype }], { perm: { ints: perm } })[0]!;
}

/** Repeats along axes of size 1. `like` has the wanted shape where that is known only at the run. */
export function expand(x: Value, shape: Shape, like: Value = x): Value {
  if (sameShape(x.shape, shape)) return x;
  return x.graph.apply('Expand', [x, shapeVector(x.graph, shape, like)], [{ shape, dtype: x.dtype }])[0]!;
}

/** Elements start, start + 1, .. end - 1 of one axis. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const at = axis < 0 ? axis + x.rank : axis;
  const shape = x.shape.map((dim, i) => (i === at ? end - start : dim));
  const ints = (v: number) => x.graph.constant([v], 'int64');
  return x.graph.apply('Slice', [x, ints(start), ints(end), ints(at)], [{ shape, dtype: x.dtype }])[0]!;
}

export function concat(parts: Value[], axis: number): Value {
  const first = parts[0]!;
  const at = axis < 0 ? axis + first.rank : axis;
  const total = parts.reduce((sum, part) => sum + part.size(at), 0);
  const shape = first.shape.map((dim, i) => (i === at ? total : dim));
  return first.graph.apply('Concat', parts, [{ shape, dtype: first.dtype }], { axis: { int: at } })[0]!;
}

/** Cuts one axis into parts of the given sizes. */
export function split(x: Value, axis: number, sizes: number[]): Value[] {
  const at = axis < 0 ? axis + x.rank : axis;
  const outputs = sizes.map((size) => ({ shape: x.shape.map((dim, i) => (i === at ? size : dim)), dtype: x.dtype }));
  return x.graph.apply('Split', [x, x.graph.constant(sizes, 'int64')], outputs, { axis: { int: at } });
}

/** Zeros of the shape of `like`. */
export function zerosLike(like: Value): Value {
  return expand(like.graph.constant(0, like.dtype), like.shape, like);
}

// Reductions.

function reduce(op: string, x: Value, axes: readonly number[], keep: boolean): Value {
  const at = axesOf(axes, x.rank);
  const shape = x.shape.flatMap((dim, i): Dim[] => (at.includes(i) ? (keep ? [1] : []) : [dim]));
  const attributes = { keepdims: { int: keep ? 1 : 0 } };
  return x.graph.apply(op, [x, x.graph.constant(at, 'int64')], [{ shape, dtype: x.dtype }], attributes)[0]!;
}

interface ReduceOptions {
  axes?: number[];
  /** Reduced axes stay, with size 1. */
  keep?: boolean;
}
const every = (x: Value) => x.shape.map((_, i) => i);
export const sum = (x: Value, { axes = every(x), keep = false }: ReduceOptions = {}) =>
  axes.length === 0 ? x : reduce('ReduceSum', x, axes, keep);
export const mean = (x: Value, { axes = every(x), keep = false }: ReduceOptions = {}) =>
  reduce('ReduceMean', x, axes, keep);
export const sumOfSquares = (x: Value, { axes = every(x), keep = false }: ReduceOptions = {}) =>
  reduce('ReduceSumSquare', x, axes, keep);
export const max = (x: Value, { axes = every(x), keep = false }: ReduceOptions = {}) =>
  reduce('ReduceMax', x, axes, keep);

/** The index of the largest element of the last axis, int32. */
export function argmax(x: Value): Value {
  const shape = x.shape.slice(0, -1);
  const attributes = { axis: { int: x.rank - 1 }, keepdims: { int: 0 } };
  return cast(x.graph.apply('ArgMax', [x], [{ shape, dtype: 'int64' }], attributes)[0]!, 'int32');
}

export function softmax(x: Value): Value {
  return x.graph.apply('Softmax', [x], [{ shape: x.shape, dtype: x.dtype }], { axis: { int: x.rank - 1 } })[0]!;
}

export function logSoftmax(x: Value): Value {
  return x.graph.apply('LogSoftmax', [x], [{ shape: x.shape, dtype: x.dtype }], { axis: { int: x.rank - 1 } })[0]!;
}

// Indexing.

/** Rows of `table` [n, ..] picked by `indices` (int32 or int64) of any shape: [..indices, ..]. */
export function gather(table: Value, indices: Value): Value {
  const shape = [...indices.shape, ...table.shape.slice(1)];
  return table.graph.apply('Gather', [table, indices], [{ shape, dtype: table.dtype }], { axis: { int: 0 } })[0]!;
}

/** One element a row of the last axis: x [.., n], indices [.., 1] -> [.., 1]. */
export function gatherElements(x: Value, indices: Value): Value {
  const attributes = { axis: { int: x.rank - 1 } };
  return x.graph.apply('GatherElements', [x, indices], [{ shape: indices.shape, dtype: x.dtype }], attributes)[0]!;
}

/**
 * `data` with `updates` added at `indices` along `axis`. Right with repeated indices on several threads, which ONNX
 * Runtime's `ScatterND(reduction="add")` is not: there two threads add to the same element without a lock.
 */
export function scatterAdd(data: Value, indices: Value, updates: Value, axis: number): Value {
  const attributes = { axis: { int: axis < 0 ? axis + data.rank : axis }, reduction: { string: 'add' } };
  const output = { shape: data.shape, dtype: data.dtype };
  return data.graph.apply('ScatterElements', [data, indices, updates], [output], attributes)[0]!;
}

// Ops of the Transformer family that ONNX has as one node.

/** Layer normalisation over the last axis (Ba et al. 2016, eq. 3): [y, mean, inverse standard deviation]. */
export function layerNormParts(x: Value, gain: Value, bias: Value | undefined, epsilon: number): Value[] {
  const stat = { shape: [...x.shape.slice(0, -1), 1], dtype: 'float32' as const };
  const attributes = { axis: { int: -1 }, epsilon: { float: epsilon } };
  return x.graph.apply(
    'LayerNormalization',
    [x, gain, bias],
    [{ shape: x.shape, dtype: x.dtype }, stat, stat],
    attributes,
  );
}

/**
 * Rotates pairs (i, i + d/2) of each head's d dimensions by its position's angles (Su et al. 2021, eq. 34).
 * x [batch, time, heads * d]; cosine, sine [positions, d/2]; positions int64 [batch, time].
 */
export function rotary(x: Value, cosine: Value, sine: Value, positions: Value, heads: number): Value {
  const output = { shape: x.shape, dtype: x.dtype };
  const attributes = { num_heads: { int: heads }, interleaved: { int: 0 } };
  return x.graph.apply('RotaryEmbedding', [x, cosine, sine, positions], [output], attributes)[0]!;
}
