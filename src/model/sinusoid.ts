/** Sinusoidal positions (Vaswani et al. 2017, section 3.5): a count and a width go in, a fixed table comes out. */
import { type Graph, gather, type Value } from '../graph/index.ts';
import type { ProgramBuilder } from './builder.ts';
import type { ProgramOptions } from './model.ts';

export interface SinusoidOptions {
  positions: number;
  width: number;
  /** `interleaved` as in the paper: sine, cosine, sine, ..; `halves` as in Marian: all sines, then all cosines. */
  layout: 'interleaved' | 'halves';
}

/** float32 [positions, width]: sin and cos of position / 10000^(2 i / width). */
export function sinusoids(graph: Graph, { positions, width, layout }: SinusoidOptions): Value {
  const sines = Math.ceil(width / 2);
  const values = new Float32Array(positions * width);
  for (let position = 0; position < positions; position++)
    for (let j = 0; j < width; j++) {
      const [i, isSine] = layout === 'halves' ? [j % sines, j < sines] : [j >> 1, j % 2 === 0];
      const angle = position / 10000 ** ((2 * i) / width);
      values[position * width + j] = isSine ? Math.sin(angle) : Math.cos(angle);
    }
  return graph.constant(values, 'float32', [positions, width]);
}

/** The positions of ids [batch, time]: the first `time` ones, or those that the input `position_ids` names. */
export function sinusoidsAt(
  b: ProgramBuilder,
  ids: Value,
  { positionIds, places }: ProgramOptions,
  { limit, ...table }: Omit<SinusoidOptions, 'positions'> & { limit: number },
): Value {
  if (!positionIds) return sinusoids(b.graph, { ...table, positions: ids.size(1) });
  return gather(
    sinusoids(b.graph, { ...table, positions: places ?? limit }),
    b.input('position_ids', 'int32', ids.shape),
  );
}
