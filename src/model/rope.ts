/** Rotary position embedding (Su et al. 2021): a head size and a base go in, cosine and sine tables come out. */
import { MillraceError } from '../errors.ts';
import type { Graph, Value } from '../graph/index.ts';

/** `rope_parameters` of Hugging Face configs (`rope_scaling` in older ones). */
export interface RopeParameters {
  rope_type?: string;
  /** The older name of `rope_type`. */
  type?: string;
  rope_theta?: number;
  factor?: number;
  low_freq_factor?: number;
  high_freq_factor?: number;
  original_max_position_embeddings?: number;
  beta_fast?: number;
  beta_slow?: number;
  attention_factor?: number | null;
  mscale?: number | null;
  mscale_all_dim?: number | null;
  truncate?: boolean;
  partial_rotary_factor?: number;
}

export interface RopeConfig {
  headSize: number;
  theta: number;
  parameters?: RopeParameters | null | undefined;
}

interface Rotation {
  /** Angle per position of each pair of dimensions (i, i + headSize / 2), in radians. */
  frequencies: number[];
  /** Factor on cosine and sine; 1 but for `yarn`. */
  scale: number;
}

export function ropeFrequencies({ headSize, theta, parameters }: RopeConfig): Rotation {
  if (headSize % 2 !== 0) throw new MillraceError('config', `rotary positions need an even head size, not ${headSize}`);
  if (parameters?.partial_rotary_factor !== undefined && parameters.partial_rotary_factor !== 1)
    throw new MillraceError('config', 'partial_rotary_factor must be 1: every dimension of a head is rotated');
  const plain = Array.from({ length: headSize / 2 }, (_, i) => theta ** ((-2 * i) / headSize));
  const kind = parameters?.rope_type ?? parameters?.type ?? 'default';
  if (kind === 'default') return { frequencies: plain, scale: 1 };
  if (kind === 'linear') {
    const factor = need(parameters, 'factor');
    return { frequencies: plain.map((frequency) => frequency / factor), scale: 1 };
  }
  if (kind === 'llama3') return { frequencies: llama3(plain, parameters!), scale: 1 };
  if (kind === 'yarn') return yarn(plain, theta, parameters!);
  throw new MillraceError('config', `rope_type ${JSON.stringify(kind)} is not supported`, {
    hint: 'use default, linear, llama3 or yarn',
  });
}

/** Slow turns are slowed by `factor`, quick ones are left, with a blend between (Llama 3.1). */
function llama3(plain: number[], parameters: RopeParameters): number[] {
  const [low, high] = [need(parameters, 'low_freq_factor'), need(parameters, 'high_freq_factor')];
  const factor = need(parameters, 'factor');
  const context = need(parameters, 'original_max_position_embeddings');
  return plain.map((frequency) => {
    const turns = (context * frequency) / (2 * Math.PI);
    const blend = clamp((turns - low) / (high - low));
    return ((1 - blend) * frequency) / factor + blend * frequency;
  });
}

/** Peng et al. 2023, section 3.2 (blend over dimensions) and eq. 15 (scale of the scores). */
function yarn(plain: number[], theta: number, parameters: RopeParameters): Rotation {
  const { beta_fast: fast = 32, beta_slow: slow = 1, truncate = true } = parameters;
  const factor = need(parameters, 'factor');
  const context = need(parameters, 'original_max_position_embeddings');
  const size = plain.length * 2;
  const dimensionOf = (turns: number) => (size * Math.log(context / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const low = Math.max(truncate ? Math.floor(dimensionOf(fast)) : dimensionOf(fast), 0);
  let high = Math.min(truncate ? Math.ceil(dimensionOf(slow)) : dimensionOf(slow), size - 1);
  if (low === high) high += 0.001;
  const frequencies = plain.map((frequency, i) => {
    const slowed = clamp((i - low) / (high - low));
    return (frequency / factor) * slowed + frequency * (1 - slowed);
  });
  const mscale = (weight: number) => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1);
  const { mscale: one, mscale_all_dim: all } = parameters;
  return { frequencies, scale: parameters.attention_factor ?? (one && all ? mscale(one) / mscale(all) : mscale(1)) };
}

const clamp = (x: number) => Math.min(1, Math.max(0, x));

function need(parameters: RopeParameters | null | undefined, key: keyof RopeParameters): number {
  const value = parameters?.[key];
  if (typeof value === 'number') return value;
  throw new MillraceError('config', `rope_parameters needs the number ${key}`);
}

/** Cosine and sine, each float32 [positions, headSize / 2]. */
export function ropeTables(graph: Graph, positions: number, config: RopeConfig): [Value, Value] {
  const { frequencies, scale } = ropeFrequencies(config);
  const width = frequencies.length;
  // Frequencies and angles are rounded to float32, as PyTorch computes them: far positions then agree too.
  const rounded = frequencies.map(Math.fround);
  const table = (f: (angle: number) => number) => {
    const values = Float32Array.from(
      { length: positions * width },
      (_, i) => scale * f(Math.fround(Math.floor(i / width) * rounded[i % width]!)),
    );
    return graph.constant(values, 'float32', [positions, width]);
  };
  return [table(Math.cos), table(Math.sin)];
}
