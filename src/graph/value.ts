/** The tensor IR: ops in order of creation go in, a `Graph` of nodes and values with known shapes and dtypes comes out. */
import { MillraceError } from '../errors.ts';

/** A size, or the name of a size that is known only when the graph runs, such as `batch`. */
export type Dim = number | string;
export type Shape = readonly Dim[];
export type DType = 'float32' | 'float64' | 'float16' | 'bfloat16' | 'int32' | 'int64' | 'bool';
export type Attribute = { int: number } | { float: number } | { ints: number[] } | { string: string };
export type Attributes = Record<string, Attribute>;

/** What autodiff sees: an op applied to inputs. A node is one; so is a `Call`, a group of nodes with a rule of its own. */
export interface Step {
  op: string;
  inputs: (Value | undefined)[];
  outputs: Value[];
  attributes: Attributes;
}

export interface Node extends Step {
  /** The outermost call that the node is part of. */
  call?: Call;
  /** The stretch of the forward pass that may be computed again in the backward pass (see checkpoint.ts). */
  segment?: string | undefined;
}

export interface Call extends Step {
  call?: never;
}

/** One tensor of a graph. Made by the graph alone; functions in ops.ts take and give values. */
export class Value {
  readonly graph: Graph;
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
  /** Where it comes from; none for inputs and constants. */
  readonly node: Node | undefined;

  constructor(graph: Graph, name: string, shape: Shape, dtype: DType, node?: Node) {
    this.graph = graph;
    this.name = name;
    this.shape = shape;
    this.dtype = dtype;
    this.node = node;
  }

  get rank(): number {
    return this.shape.length;
  }

  /** The size of axis `axis` (negative counts from the end); an error where it is not known before the run. */
  size(axis: number): number {
    const dim = this.shape.at(axis);
    if (typeof dim === 'number') return dim;
    throw new MillraceError('internal', `${this.name} [${this.shape.join(', ')}] has no fixed size on axis ${axis}`);
  }
}

export class Graph {
  /** May hold ops of the native crate's own (native.ts). */
  readonly native: boolean;
  /** The operands of its matrix products will be rounded: the products, attention's too, must be nodes of their own. */
  readonly rounded: boolean;
  readonly nodes: Node[] = [];
  readonly inputs: Value[] = [];
  /** Little-endian bytes of each constant. */
  readonly constants = new Map<Value, Uint8Array>();
  private readonly scalars = new Map<string, Value>();
  private readonly names = new Map<string, number>();
  private currentCall: Call | undefined;
  private currentSegment: string | undefined;

  constructor({ native = false, rounded = false }: { native?: boolean | undefined; rounded?: boolean } = {}) {
    this.native = native;
    this.rounded = rounded;
  }

  /** A tensor fed at each run. Its name is the ONNX name and must be unique. */
  input(name: string, dtype: DType, shape: Shape): Value {
    if (this.names.has(name)) throw new MillraceError('internal', `two tensors are named ${name}`);
    this.names.set(name, 0);
    const value = new Value(this, name, shape, dtype);
    this.inputs.push(value);
    return value;
  }

  /** A fixed tensor. Equal scalars are stored once. */
  constant(data: number | readonly number[] | Float32Array, dtype: DType = 'float32', shape?: Shape): Value {
    const key = typeof data === 'number' ? `${Object.is(data, -0) ? '-0' : data} ${dtype}` : undefined;
    const known = key === undefined ? undefined : this.scalars.get(key);
    if (known) return known;
    const values = typeof data === 'number' ? [data] : data;
    const value = new Value(
      this,
      this.unique('constant'),
      shape ?? (typeof data === 'number' ? [] : [values.length]),
      dtype,
    );
    this.constants.set(value, encode(values, dtype));
    if (key !== undefined) this.scalars.set(key, value);
    return value;
  }

  /** The same constant as in another graph. */
  copyConstant(value: Value): Value {
    const bytes = value.graph.constants.get(value);
    if (!bytes) throw new MillraceError('internal', `${value.name} is used before it is made`);
    const copy = new Value(this, this.unique('constant'), value.shape, value.dtype);
    this.constants.set(copy, bytes);
    return copy;
  }

  /** Appends one node; each entry of `outputs` gives a new value. An omitted optional input is `undefined`. */
  apply(
    op: string,
    inputs: (Value | undefined)[],
    outputs: { shape: Shape; dtype: DType }[],
    attributes: Attributes = {},
  ): Value[] {
    const node: Node = { op, inputs, outputs: [], attributes };
    if (this.currentCall) node.call = this.currentCall;
    if (this.currentSegment) node.segment = this.currentSegment;
    const short = op.split('.').at(-1)!;
    node.outputs = outputs.map(({ shape, dtype }) => new Value(this, this.unique(short), shape, dtype, node));
    this.nodes.push(node);
    return node.outputs;
  }

  /**
   * Runs `body`, whose nodes then count as one op named `op` for autodiff: a composite whose gradient has a better form
   * than what the rules of its parts would give.
   */
  define(op: string, inputs: Value[], body: () => Value[], attributes: Attributes = {}): Value[] {
    if (this.currentCall) return body();
    const call: Call = { op, inputs, outputs: [], attributes };
    this.currentCall = call;
    try {
      call.outputs = body();
    } finally {
      this.currentCall = undefined;
    }
    return call.outputs;
  }

  /** Marks the nodes that `body` makes as one stretch that can be recomputed. */
  segment<T>(name: string, body: () => T): T {
    const outer = this.currentSegment;
    this.currentSegment = name;
    try {
      return body();
    } finally {
      this.currentSegment = outer;
    }
  }

  private unique(stem: string): string {
    const count = this.names.get(stem) ?? 0;
    this.names.set(stem, count + 1);
    return `${stem}.${count}`;
  }
}

function encode(values: ArrayLike<number>, dtype: DType): Uint8Array {
  const typed = {
    float32: () => Float32Array.from(values),
    float64: () => Float64Array.from(values),
    int32: () => Int32Array.from(values),
    int64: () => BigInt64Array.from(Array.from(values, (v) => BigInt(v))),
    bool: () => Uint8Array.from(values),
    bfloat16: () => Uint16Array.from(values, bfloat16),
    float16: () => {
      throw new MillraceError('internal', 'write a float16 constant as float32 and cast it');
    },
  }[dtype]();
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

/** The upper 16 bits of the float32, rounded to nearest, ties to even. */
function bfloat16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  return Number.isNaN(value) ? 0x7fc0 : ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}
