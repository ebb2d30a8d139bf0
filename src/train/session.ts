/**
 * Parameters and programs in, a session out that runs the programs on one set of weights: losses, logits and optimizer
 * steps leave, the weights, gradients and moments stay in the runtime's memory.
 */
import { availableParallelism } from 'node:os';
import { MillraceError } from '../errors.ts';
import type { Edge, Parameter, Program } from '../model/program.ts';
import { callNative, fromNative, type Native } from '../native.ts';
import { findRuntime } from './library.ts';
import { PIECE, Safetensors, type TensorSource } from './safetensors.ts';

type NativeTrainer = InstanceType<Native['NativeTrainer']>;
export type TypedArray = Float32Array | Int32Array | BigInt64Array | Uint8Array;
/** Batch inputs by the program's names. */
export type Feeds = Record<string, TypedArray>;
export type ArrayName = 'weight' | 'gradient' | 'exp_avg' | 'exp_avg_sq' | 'max_exp_avg_sq' | 'ema';

export interface SessionOptions {
  parameters: Parameter[];
  /** The machine's cores by default. Results are bit-identical for the same number only. */
  threads?: number | undefined;
  /**
   * Where programs run: `cpu` (default), `cuda`, `cuda:<n>`, `webgpu`. With a program that holds AdamW (`updates`) weights and
   * moments stay there from step to step; with others they are the CPU's.
   */
  device?: string | undefined;
}

export interface AdamWOptions {
  betas: [number, number];
  eps: number;
  /** Decoupled weight decay of the parameters whose `decay` is set. */
  weightDecay: number;
  amsgrad?: boolean | undefined;
  /** Decay of an exponential moving average of the weights. */
  ema?: number | undefined;
}

export interface StepOptions {
  lr: number;
  /** Clip the gradients' global norm. */
  maxNorm?: number | undefined;
  /** Key the dropout masks, with the micro-batch, the mask and the element. */
  seed: number;
  step: number;
}

export interface StepResult {
  /** Of each loss term of the program, in its order: the mean over all items of the step, times the term's weight. */
  losses: number[];
  /** Items of each term in the whole step. */
  counts: number[];
  gradNorm: number;
  /** False where a loss or gradient was not finite; the weights are then as before. */
  applied: boolean;
  runMs: number;
  optimizerMs: number;
  maskMs: number;
}

/** A program that was loaded into a session. */
export interface Loaded {
  readonly program: Program;
  readonly graph: number;
  readonly inputs: Edge[];
  readonly outputs: Edge[];
}

export class Session {
  readonly parameters: Parameter[];
  readonly threads: number;
  private readonly native: NativeTrainer;
  private betas: [number, number] = [0.9, 0.999];

  readonly device: string;

  private constructor(
    native: NativeTrainer,
    { parameters, threads, device }: { parameters: Parameter[]; threads: number; device: string },
  ) {
    this.native = native;
    this.device = device;
    this.parameters = parameters;
    this.threads = threads;
  }

  /** Weights at zero: call `init` or `load`. @throws `environment` where the runtime can't be loaded. */
  static create({ parameters, threads = availableParallelism(), device = 'cpu' }: SessionOptions): Session {
    const library = findRuntime();
    const shapes = parameters.map(({ name, shape }) => ({ name, shape }));
    const native = callNative((n) => new n.NativeTrainer(library, shapes, threads, false, device));
    return new Session(native, { parameters, threads, device });
  }

  /** Draws every parameter's first values by its own rule; the same seed gives the same values. */
  async init(seed: number): Promise<void> {
    const drawn = this.parameters.filter(({ init }) => init.kind !== 'constant');
    await awaited(() =>
      this.native.init(
        drawn.map(({ name }) => name),
        drawn.map(({ init }) => init.kind),
        drawn.map(({ init }) => ('std' in init ? init.std : 'bound' in init ? init.bound : 0)),
        seed,
      ),
    );
    for (const { name, init } of this.parameters) {
      if (init.kind === 'constant') this.write('weight', name, Float32Array.from(init.values));
    }
  }

  /** Sets up AdamW for the parameters that are not frozen. Call it before `load`ing a program with gradients. */
  optimize({ betas, eps, weightDecay, amsgrad, ema }: AdamWOptions): void {
    const trained = this.trained;
    this.betas = betas;
    const options = {
      beta1: betas[0],
      beta2: betas[1],
      eps,
      ...(amsgrad && { amsgrad }),
      ...(ema !== undefined && { ema }),
    };
    callNative(() =>
      this.native.optimize(
        trained.map(({ name }) => name),
        trained.map(({ decay }) => (decay ? weightDecay : 0)),
        options,
      ),
    );
  }

  get trained(): Parameter[] {
    return this.parameters.filter(({ frozen }) => !frozen);
  }

  /** Loads a program; its parameters are bound to the session's by name. `outputs`: which ones `run` returns, all by default. */
  async load(program: Program, { outputs }: { outputs?: string[] } = {}): Promise<Loaded> {
    const scalar = (name: string): Edge => ({ name, dtype: 'float32', shape: [] });
    const { updates = [], gradients } = program;
    const own = updates.length > 0 ? Object.keys(optimizerScalars({ lr: 0, t: 1, betas: this.betas })) : [];
    const inputs = [
      ...program.inputs,
      ...program.losses
        .map(({ scale }) => scale)
        .concat(own)
        .map(scalar),
    ];
    const terms = program.losses.flatMap(({ output, count }) => [output, count]);
    const wanted =
      updates.length > 0
        ? [...terms, 'grad_norm'].map(scalar)
        : gradients.length > 0
          ? terms.map(scalar)
          : program.outputs.filter(({ name }) => outputs?.includes(name) ?? true);
    const copier = program.copier ?? new Uint8Array();
    const spec = { inputs, outputs: wanted, masks: program.dropout, gradients, updates, copier };
    const graph = await awaited(() => this.native.addGraph(program.onnx, spec));
    return { program, graph, inputs, outputs: wanted };
  }

  /**
   * One optimizer step over micro-batches (all of the same loss terms): losses and gradients are those of one batch that
   * holds all their rows, whatever the rows' lengths.
   */
  async step(micros: { loaded: Loaded; feeds: Feeds }[], options: StepOptions): Promise<StepResult> {
    const first = micros[0];
    if (!first) throw new MillraceError('internal', 'a step needs a batch');
    const terms = first.loaded.program.losses;
    const counts = terms.map((_, t) => sum(micros.map(({ loaded, feeds }) => countItems(loaded.program, t, feeds))));
    const scales = counts.map((count) => (count > 0 ? 1 / count : 0));
    const { maxNorm, ...rest } = options;
    const { updates } = first.loaded.program;
    if (updates && micros.length > 1)
      throw new MillraceError('internal', 'a program that holds AdamW takes one micro-batch a step');
    const more = updates ? optimizerScalars({ lr: rest.lr, maxNorm, t: this.updates + 1, betas: this.betas }) : {};
    const native = await awaited(() =>
      this.native.step(
        micros.map(({ loaded, feeds }) => ({
          graph: loaded.graph,
          inputs: gather(loaded, { ...feeds, ...more }, scales),
        })),
        maxNorm === undefined ? rest : { ...rest, maxNorm },
      ),
    );
    const { scalars, ...times } = native;
    terms.forEach(({ name }, t) => {
      if (scalars[2 * t + 1] !== counts[t]) {
        const seen = `the batch has ${counts[t]} items for the loss ${name}, the graph counted ${scalars[2 * t + 1]}`;
        throw new MillraceError('internal', seen);
      }
    });
    return { ...times, losses: terms.map((_, t) => scalars[2 * t] ?? Number.NaN), counts };
  }

  /** Runs a program forward, loss scales at 1, dropout off. Outputs by name; scalars are arrays of one. */
  async run(loaded: Loaded, feeds: Feeds): Promise<Record<string, TypedArray>> {
    const scales = loaded.program.losses.map(() => 1);
    const outputs = await awaited(() =>
      this.native.run({ graph: loaded.graph, inputs: gather(loaded, feeds, scales) }),
    );
    return Object.fromEntries(
      loaded.outputs.map(({ name, dtype }, i) => [name, view(dtype, outputs[i] ?? new Uint8Array())]),
    );
  }

  /** Updates done, for the bias corrections of a resumed run. */
  get updates(): number {
    return this.native.updates;
  }
  set updates(count: number) {
    this.native.setUpdates(count);
  }

  /** A copy of an array of a parameter; empty where it has none. */
  read(array: ArrayName, name: string): Float32Array {
    return callNative(() => {
      const values = new Float32Array(this.native.size(array, name));
      this.native.read(array, name, 0, values);
      return values;
    });
  }

  write(array: ArrayName, name: string, values: Float32Array, start = 0): void {
    callNative(() => this.native.write(array, name, start, values));
  }

  /** The parameters' array as tensors to write: read piece by piece, so that no second copy of the model is made. */
  *tensors(array: ArrayName, prefix = ''): Iterable<TensorSource> {
    const { native } = this;
    for (const { name, shape } of this.parameters) {
      const size = callNative(() => native.size(array, name));
      if (size === 0) continue;
      yield {
        name: prefix + name,
        dtype: 'F32',
        shape,
        *chunks() {
          const piece = new Float32Array(Math.min(PIECE, size));
          for (let start = 0; start < size; start += PIECE) {
            const part = piece.subarray(0, Math.min(PIECE, size - start));
            callNative(() => native.read(array, name, start, part));
            yield new Uint8Array(part.buffer, 0, part.byteLength);
          }
        },
      };
    }
  }

  /** Fills an array of every parameter that has one from an open file. @throws `input` where a tensor is missing or has another shape. */
  async fill(array: ArrayName, file: Safetensors, prefix = ''): Promise<void> {
    for (const { name, shape } of this.parameters) {
      if (callNative(() => this.native.size(array, name)) === 0) continue;
      const info = file.info(prefix + name);
      if (info.shape.join() !== shape.join()) {
        throw new MillraceError(
          'input',
          `tensor ${prefix}${name} has shape [${info.shape}], the model wants [${shape}]`,
          { hint: 'the checkpoint is of another model: compare its config' },
        );
      }
      await file.eachFloats(prefix + name, (values, start) => this.write(array, name, values, start));
    }
  }

  /** Loads weights from a .safetensors file. */
  async loadWeights(path: string): Promise<void> {
    const file = await Safetensors.open(path);
    try {
      await this.fill('weight', file);
    } finally {
      await file.close();
    }
  }

  /** Swaps the weights with their moving average; called again, back. */
  swapAverage(): void {
    callNative(() => this.native.swapAverage());
  }
}

/** What a program that holds AdamW is fed besides the batch: the t-th update's numbers. */
function optimizerScalars({ lr, maxNorm = Number.POSITIVE_INFINITY, t, betas }: ScalarOptions): Feeds {
  return {
    'optimizer.lr': Float32Array.of(lr),
    'optimizer.correction1': Float32Array.of(1 - betas[0] ** t),
    'optimizer.correction2': Float32Array.of(Math.sqrt(1 - betas[1] ** t)),
    'optimizer.max_norm': Float32Array.of(maxNorm),
  };
}

interface ScalarOptions {
  lr: number;
  maxNorm?: number | undefined;
  t: number;
  betas: [number, number];
}

/** Items of a loss term in a batch: the entries of its labels that are not negative. */
export function countItems({ losses }: Program, term: number, feeds: Feeds): number {
  const { name, labels } = losses[term]!;
  const values = labels === undefined ? undefined : feeds[labels];
  if (!values || values instanceof BigInt64Array) {
    throw new MillraceError('internal', `the items of the loss ${name} can't be counted: no labels ${labels}`);
  }
  let count = 0;
  for (let i = 0; i < values.length; i++) if (values[i]! >= 0) count++;
  return count;
}

function gather({ program, inputs }: Loaded, feeds: Feeds, scales: number[]): Uint8Array[] {
  const scaleOf = new Map(program.losses.map(({ scale }, t) => [scale, scales[t] ?? 1]));
  return inputs.map(({ name, shape, dtype }) => {
    const scale = scaleOf.get(name);
    const values = scale === undefined ? feeds[name] : Float32Array.of(scale);
    if (!values) throw new MillraceError('input', `the batch has no ${name}, which the program takes`);
    const wanted = shape.reduce((a, b) => a * b, 1);
    if (values.length !== wanted || typeOf(values) !== (dtype === 'bool' ? 'uint8' : dtype)) {
      const got = `${typeOf(values)} of ${values.length}`;
      throw new MillraceError('input', `the batch's ${name} is ${got} elements, the program takes ${dtype} [${shape}]`);
    }
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  });
}

const typeOf = (values: TypedArray) =>
  values instanceof Float32Array
    ? 'float32'
    : values instanceof Int32Array
      ? 'int32'
      : values instanceof BigInt64Array
        ? 'int64'
        : 'uint8';

function view(dtype: Edge['dtype'], bytes: Uint8Array): TypedArray {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  if (dtype === 'float32') return new Float32Array(buffer, byteOffset, byteLength / 4);
  if (dtype === 'int32') return new Int32Array(buffer, byteOffset, byteLength / 4);
  if (dtype === 'int64') return new BigInt64Array(buffer, byteOffset, byteLength / 8);
  return bytes;
}

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

async function awaited<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromNative(error);
  }
}
