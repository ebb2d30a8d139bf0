/**
 * AdamW as part of the graph (Loshchilov and Hutter 2019, algorithm 2): weights, gradients and moments go in, their next
 * values come out. For devices where weights stay from step to step; on the CPU the native optimizer is quicker.
 */
import { after } from './gate.ts';
import { add, div, minimum, mul, sqrt, sub, sumOfSquares } from './ops.ts';
import type { Graph, Value } from './value.ts';

export interface AdamWGraphOptions {
  betas: [number, number];
  eps: number;
  weightDecay: number;
}

/** Scalars that change from step to step, float32 inputs. */
export interface AdamWScalars {
  lr: Value;
  /** 1 - beta1^t and sqrt(1 - beta2^t), t counting from 1. */
  correction1: Value;
  correction2: Value;
  /** Clip the gradients' global norm at this; infinity for no clipping. */
  maxNorm: Value;
}

export interface Trained {
  name: string;
  weight: Value;
  gradient: Value;
  decay: boolean;
}

export interface Replaced {
  /** The graph input and what takes its place. */
  input: Value;
  output: Value;
}

export function adamwScalars(graph: Graph): AdamWScalars {
  const scalar = (name: string) => graph.input(`optimizer.${name}`, 'float32', []);
  return {
    lr: scalar('lr'),
    correction1: scalar('correction1'),
    correction2: scalar('correction2'),
    maxNorm: scalar('max_norm'),
  };
}

/**
 * The next weights and moments, inputs `exp_avg.<name>` and `exp_avg_sq.<name>`, and the gradients' global norm.
 *
 * A runtime may write an output over the input that it replaces as soon as it likes, so no weight may be replaced before
 * everything has read it. All updates depend on the clip factor, which depends on every gradient; `alsoAfter` names what
 * else reads weights and is no gradient's ancestor.
 */
export function adamw(
  trained: Trained[],
  options: AdamWGraphOptions,
  scalars: AdamWScalars,
  alsoAfter: Value[],
): { replaced: Replaced[]; norm: Value } {
  const norm = sqrt(trained.map(({ gradient }) => sumOfSquares(gradient)).reduce((a, b) => add(a, b)));
  const clip = after(minimum(div(scalars.maxNorm, add(norm, 1e-6)), 1), alsoAfter);
  return { replaced: trained.flatMap((one) => update(one, clip, options, scalars)), norm };
}

/** One parameter's update. `clip` multiplies the gradient. */
export function update(
  { name, weight, gradient, decay }: Trained,
  clip: Value,
  { betas, eps, weightDecay }: AdamWGraphOptions,
  { lr, correction1, correction2 }: AdamWScalars,
): Replaced[] {
  const { graph, shape } = weight;
  const [mean, square] = ['exp_avg', 'exp_avg_sq'].map((kind) => graph.input(`${kind}.${name}`, 'float32', shape));
  const g = mul(gradient, clip);
  const nextMean = add(mul(mean!, betas[0]), mul(g, 1 - betas[0]));
  const nextSquare = add(mul(square!, betas[1]), mul(mul(g, g), 1 - betas[1]));
  const denominator = add(div(sqrt(nextSquare), correction2), eps);
  const step = mul(div(nextMean, denominator), div(lr, correction1));
  const kept = decay && weightDecay !== 0 ? mul(weight, sub(1, mul(lr, weightDecay))) : weight;
  return [
    { input: weight, output: sub(kept, step) },
    { input: mean!, output: nextMean },
    { input: square!, output: nextSquare },
  ];
}
