/** Turns a recipe's calls (parameters, inputs, losses, outputs) into one graph and at the end into a `Program`. */
import { MillraceError } from '../errors.ts';
import {
  type AdamWGraphOptions,
  activationBytes,
  adamw,
  adamwScalars,
  argmax,
  cast,
  checkpoint,
  crossEntropySum,
  type Dim,
  type DType,
  equal,
  Graph,
  gradients,
  greaterOrEqual,
  matmulFlops,
  maximum,
  mixedPrecision,
  mul,
  type Node,
  type OnnxOptions,
  ownProducts,
  product,
  reshape,
  type Shape,
  sum,
  type Value,
  writeOnnx,
} from '../graph/index.ts';
import { isAdapter, type LoraConfig } from './lora.ts';
import type { DropoutMask, EdgeType, Init, LossTerm, Parameter, Program } from './program.ts';

export interface GraphOptions {
  /** Keep only what enters each block and compute the rest of it again in the backward pass: less memory, more time. */
  checkpoint?: boolean | undefined;
  /**
   * `bfloat16`: matrix products in bfloat16, everything else in float32. `bfloat16-emulated`: operands rounded to bfloat16,
   * products in float32, for runtimes that have no bfloat16 product.
   */
  precision?: 'float32' | 'bfloat16' | 'bfloat16-emulated' | undefined;
  /** Use the native crate's own operators where it has some: for its CPU sessions alone, and faster there. */
  native?: boolean | undefined;
  /** Only ops that every provider has: WebGPU's lacks some, which would then run on the CPU. */
  portable?: boolean | undefined;
  /** Put AdamW into the graph: weights and moments go in and come out, gradients stay inside. */
  optimizer?: AdamWGraphOptions | undefined;
}

export interface BuilderOptions extends GraphOptions {
  /** Dropout acts and gradients are built. */
  training?: boolean;
  /** Which parameters are trained; all by default, or with `lora` its matrices alone. */
  trainable?: ((name: string) => boolean) | undefined;
  lora?: LoraConfig | undefined;
}

export interface LossOptions {
  /** Float [rows, classes]. */
  logits: Value;
  /** int32 of as many elements as `logits` has rows; negative ones (-100) do not count. */
  labels: Value;
  smoothing?: number;
  /** Factor on the term, such as lambda. */
  weight?: number;
}

export class ProgramBuilder {
  readonly graph: Graph;
  readonly training: boolean;
  readonly lora: LoraConfig | undefined;
  readonly parameters: Parameter[] = [];
  private readonly values = new Map<string, Value>();
  private readonly inputs: Value[] = [];
  private readonly provided = new Map<string, Value>();
  private readonly losses: (LossTerm & { value: Value })[] = [];
  private readonly dropoutMasks: DropoutMask[] = [];
  private readonly outputs = new Map<string, Value>();
  private readonly trainable: (name: string) => boolean;
  private readonly options: GraphOptions;

  constructor({ training = false, lora, trainable = lora ? isAdapter : () => true, ...options }: BuilderOptions = {}) {
    this.graph = new Graph({ native: options.native, rounded: (options.precision ?? 'float32') !== 'float32' });
    this.training = training;
    this.lora = lora;
    this.trainable = trainable;
    this.options = options;
  }

  /** A float32 parameter under its Hugging Face name. Asked for again (tied weights), the same value. */
  parameter(name: string, shape: number[], init: Init, { buffer = false } = {}): Value {
    const known = this.values.get(name);
    if (known) return known;
    const value = this.graph.input(name, 'float32', shape);
    this.values.set(name, value);
    const frozen = buffer || !this.trainable(name);
    this.parameters.push({
      name,
      shape,
      init,
      decay: shape.length >= 2 && !buffer,
      ...(frozen && { frozen }),
      ...(buffer && { buffer }),
    });
    return value;
  }

  /** A parameter that is there already. */
  parameterNamed(name: string): Value {
    const value = this.values.get(name);
    if (!value) throw new MillraceError('internal', `there is no parameter ${name}`);
    return value;
  }

  /** What the recipe will get when it asks for the input `name`. */
  provide(name: string, value: Value): void {
    this.provided.set(name, value);
  }

  /** A batch input. Asked for again, the same value. */
  input(name: string, dtype: DType & EdgeType, shape: Shape): Value {
    const known = this.provided.get(name) ?? this.inputs.find((value) => value.name === name);
    if (known) return known;
    const value = this.graph.input(name, dtype, shape);
    this.inputs.push(value);
    return value;
  }

  /** Inverted dropout: in training, times a mask input of 0 or 1 / (1 - p); else nothing. */
  dropout(x: Value, p: number): Value {
    const mask = this.dropoutMask(x.shape, p);
    return mask ? mul(x, mask) : x;
  }

  /** The mask that `dropout` multiplies by. */
  dropoutMask(shape: Shape, p: number): Value | undefined {
    if (!this.training || p === 0) return undefined;
    const name = `dropout.${this.dropoutMasks.length}`;
    this.dropoutMasks.push({ name, shape: fixed(shape), p });
    return this.graph.input(name, 'float32', shape);
  }

  /**
   * Adds the term `name`: cross-entropy summed over the counted rows, times the scalar input `scale.<name>`. Outside
   * training the number of right answers is put out too.
   */
  loss(name: string, { logits, labels, smoothing = 0, weight = 1 }: LossOptions): void {
    const column = reshape(labels, [product(labels.shape), 1]);
    const counted = cast(greaterOrEqual(column, 0), 'float32');
    const scale = this.graph.input(`scale.${name}`, 'float32', []);
    const target = maximum(column, 0);
    const total = crossEntropySum(logits, target, mul(counted, weight === 1 ? scale : mul(scale, weight)), {
      smoothing,
    });
    const term: LossTerm = { name, output: `loss.${name}`, scale: `scale.${name}`, count: `count.${name}` };
    this.outputs.set(term.output, total);
    this.outputs.set(term.count, sum(counted));
    if (!this.training) {
      term.correct = `correct.${name}`;
      const hit = cast(equal(reshape(argmax(logits), column.shape), column), 'float32');
      this.outputs.set(term.correct, sum(mul(hit, counted)));
    }
    if (weight !== 1) term.weight = weight;
    if (this.inputs.includes(labels)) term.labels = labels.name;
    this.losses.push({ ...term, value: this.outputs.get(term.output)! });
  }

  /** Puts a value out under a name of its own. */
  output(name: string, value: Value): void {
    this.outputs.set(name, value);
  }

  /** Puts an output out under another name. */
  rename(from: string, to: string): void {
    const value = this.outputs.get(from);
    if (!value) throw new MillraceError('internal', `there is no output ${from}`);
    this.outputs.delete(from);
    this.outputs.set(to, value);
  }

  /** Puts out attention weights as [batch, heads, queries, keys]. */
  attention(name: string, weights: Value, heads: number): void {
    const [batch, kvHeads, queries, keys] = weights.shape as [Dim, number, number, Dim];
    this.output(name, reshape(weights, [batch, heads, (queries * kvHeads) / heads, keys]));
  }

  /** The graph as it stands, with the inputs that it uses. */
  onnx(options: Pick<OnnxOptions, 'initializers' | 'portable'> = {}): Uint8Array {
    return writeOnnx(this.graph, { outputs: this.outputs, prune: true, ...options });
  }

  /** Ends the recipe: in training the gradient of the sum of all losses by each trained parameter is put out too. */
  program(): Program {
    const forward = new Set(this.graph.nodes);
    const { gradients: grads, updates } = this.backward();
    const edge = (name: string, { dtype, shape }: Value) => ({ name, dtype: dtype as EdgeType, shape: fixed(shape) });
    const { graph, outputs } = this.rewritten(forward);
    const wanted = [...outputs.values()];
    const flops = matmulFlops(graph, wanted);
    const bytes = activationBytes(graph, wanted);
    return {
      onnx: writeOnnx(graph, { outputs, portable: this.options.portable ?? false }),
      inputs: this.inputs.map((value) => edge(value.name, value)),
      parameters: this.parameters,
      losses: this.losses.map(({ value: _, ...term }) => term),
      dropout: this.dropoutMasks,
      outputs: [...outputs].map(([name, value]) => edge(name, value)),
      gradients: grads,
      ...(updates && { updates, copier: copyingGraph(updates) }),
      ...(flops !== undefined && { flops }),
      ...(bytes !== undefined && { activationBytes: bytes }),
    };
  }

  /** Adds the gradients, or the updates made of them, to the outputs. */
  private backward(): { gradients: Program['gradients']; updates?: Program['updates'] } {
    const trained = this.training ? this.parameters.filter((parameter) => !parameter.frozen) : [];
    if (trained.length === 0) return { gradients: [] };
    const targets = this.losses.map((loss) => loss.value);
    const weights = trained.map(({ name }) => this.values.get(name)!);
    const found = gradients(targets, weights).map((gradient, i) => {
      if (gradient) return gradient;
      throw new MillraceError('internal', `no loss depends on the parameter ${trained[i]!.name}`);
    });
    if (this.options.optimizer) return { gradients: [], updates: this.update(trained, found, this.options.optimizer) };
    const named = trained.map(({ name }) => ({ parameter: name, output: `grad.${name}` }));
    for (const [i, { output }] of named.entries()) this.outputs.set(output, found[i]!);
    return { gradients: named };
  }

  private update(trained: Parameter[], found: Value[], options: AdamWGraphOptions): Program['updates'] {
    const each = trained.map(({ name, decay }, i) => ({
      name,
      decay,
      weight: this.values.get(name)!,
      gradient: found[i]!,
    }));
    const others = [...this.outputs.values()];
    const { replaced, norm } = adamw(each, options, adamwScalars(this.graph), others);
    this.outputs.set('grad_norm', norm);
    for (const { input, output } of replaced) this.outputs.set(`next.${input.name}`, output);
    return replaced.map(({ input }) => ({
      input: input.name,
      output: `next.${input.name}`,
      shape: fixed(input.shape),
    }));
  }

  /** The graph after the passes that the options ask for. */
  private rewritten(forward: ReadonlySet<Node>): { graph: Graph; outputs: Map<string, Value> } {
    const { checkpoint: recompute, precision = 'float32' } = this.options;
    let [graph, outputs] = [this.graph, this.outputs];
    const apply = (pass: (graph: Graph, wanted: Value[]) => { graph: Graph; at: (value: Value) => Value }) => {
      const { graph: next, at } = pass(graph, [...outputs.values()]);
      [graph, outputs] = [next, new Map([...outputs].map(([name, value]) => [name, at(value)]))];
    };
    if (recompute) apply((from, wanted) => checkpoint(from, wanted, forward));
    if (precision !== 'float32')
      apply((from, wanted) => mixedPrecision(from, wanted, { emulate: precision === 'bfloat16-emulated' }));
    if (graph.native && !graph.rounded) apply(ownProducts);
    return { graph, outputs };
  }
}

function copyingGraph(updates: NonNullable<Program['updates']>): Uint8Array {
  const graph = new Graph();
  const outputs = new Map(
    updates.map(({ input, shape }) => [`host.${input}`, graph.input(input, 'float32', shape)] as const),
  );
  return writeOnnx(graph, { outputs });
}

const fixed = (shape: Shape): number[] =>
  shape.map((dim) => {
    if (typeof dim === 'number') return dim;
    throw new MillraceError('internal', `the size ${dim} is not fixed`);
  });
