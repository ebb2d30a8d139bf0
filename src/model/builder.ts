/** Turns a recipe's calls (parameters, inputs, losses, outputs) into one graph and at the end into a `Program`. */
import { MillraceError } from '../errors.ts';
import {
  activationBytes,
  argmax,
  cast,
  crossEntropy,
  type Dim,
  type DType,
  equal,
  Graph,
  gradients,
  greaterOrEqual,
  matmulFlops,
  maximum,
  mul,
  type OnnxOptions,
  product,
  reshape,
  type Shape,
  sum,
  type Value,
  writeOnnx,
} from '../graph/index.ts';
import { isAdapter, type LoraConfig } from './lora.ts';
import type { DropoutMask, EdgeType, Init, LossTerm, Parameter, Program } from './program.ts';

export interface BuilderOptions {
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
  readonly graph = new Graph();
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

  constructor({ training = false, lora, trainable = lora ? isAdapter : () => true }: BuilderOptions = {}) {
    this.training = training;
    this.lora = lora;
    this.trainable = trainable;
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
    const each = crossEntropy(logits, target, mul(counted, weight === 1 ? scale : mul(scale, weight)), { smoothing });
    const term: LossTerm = { name, output: `loss.${name}`, scale: `scale.${name}`, count: `count.${name}` };
    this.outputs.set(term.output, sum(each));
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
    const trained = this.training ? this.parameters.filter((parameter) => !parameter.frozen) : [];
    const grads =
      trained.length === 0
        ? []
        : gradients(
            this.losses.map((loss) => loss.value),
            trained.map(({ name }) => this.values.get(name)!),
          );
    const named = trained.map(({ name }, i) => ({ parameter: name, output: `grad.${name}`, value: grads[i] }));
    for (const { parameter, output, value } of named) {
      if (!value) throw new MillraceError('internal', `no loss depends on the parameter ${parameter}`);
      this.outputs.set(output, value);
    }
    const edge = (name: string, { dtype, shape }: Value) => ({ name, dtype: dtype as EdgeType, shape: fixed(shape) });
    const wanted = [...this.outputs.values()];
    const flops = matmulFlops(this.graph, wanted);
    const bytes = activationBytes(this.graph, wanted);
    return {
      onnx: writeOnnx(this.graph, { outputs: this.outputs }),
      inputs: this.inputs.map((value) => edge(value.name, value)),
      parameters: this.parameters,
      losses: this.losses.map(({ value: _, ...term }) => term),
      dropout: this.dropoutMasks,
      outputs: [...this.outputs].map(([name, value]) => edge(name, value)),
      gradients: named.map(({ parameter, output }) => ({ parameter, output })),
      ...(flops !== undefined && { flops }),
      ...(bytes !== undefined && { activationBytes: bytes }),
    };
  }
}

const fixed = (shape: Shape): number[] =>
  shape.map((dim) => {
    if (typeof dim === 'number') return dim;
    throw new MillraceError('internal', `the size ${dim} is not fixed`);
  });
