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
}

export interface RopeConfig {
  headSize: number;
  theta: number;
  parameters?: RopeParameters | null | undefined;
}

/** Angle per position of each pair of dimensions (i, i + headSize / 2), in radians. */
export function ropeFrequencies({ headSize, theta, parameters }: RopeConfig): number[] {
  if (headSize % 2 !== 0) throw new MillraceError('config', `rotary positions need an even head size, not ${headSize}`);
  const plain = Array.from({ length: headSize / 2 }, (_, i) => theta ** ((-2 * i) / headSize));
  const kind = parameters?.rope_type ?? parameters?.type ?? 'default';
  if (kind === 'default') return plain;
  const factor = need(parameters, 'factor');
  if (kind === 'linear') return plain.map((frequency) => frequency / factor);
  if (kind === 'llama3') {
    const [low, high] = [need(parameters, 'low_freq_factor'), need(parameters, 'high_freq_factor')];
    const context = need(parameters, 'original_max_position_embeddings');
    return plain.map((frequency) => {
      // Turns over the original context: few turns are slowed by `factor`, many are left, between them a blend.
      const turns = (context * frequency) / (2 * Math.PI);
      const blend = Math.min(1, Math.max(0, (turns - low) / (high - low)));
      return ((1 - blend) * frequency) / factor + blend * frequency;
    });
  }
  throw new MillraceError('config', `rope_type ${JSON.stringify(kind)} is not supported`, {
    hint: 'use default, linear or llama3',
  });
}

function need(parameters: RopeParameters | null | undefined, key: keyof RopeParameters): number {
  const value = parameters?.[key];
  if (typeof value === 'number') return value;
  throw new MillraceError('config', `rope_parameters needs the number ${key}`);
}

/** Cosine and sine, each float32 [positions, headSize / 2]. */
export function ropeTables(graph: Graph, positions: number, config: RopeConfig): [Value, Value] {
  const frequencies = ropeFrequencies(config);
  const table = (f: (x: number) => number) =>
    graph.constant(
      Float32Array.from({ length: positions * frequencies.length }, (_, i) =>
        f(Math.floor(i / frequencies.length) * frequencies[i % frequencies.length]!),
      ),
      'float32',
      [positions, frequencies.length],
    );
  return [table(Math.cos), table(Math.sin)];
}
