/** A stored weight and the two thin matrices beside it in, the weight with their product added out: LoRA, merged. */
import type { LoraConfig } from '../model/index.ts';

export interface Adapter {
  /** [rank, in]. */
  down: Float32Array;
  /** [out, rank]. */
  up: Float32Array;
  width: number;
  scale: number;
  /** The weight is [in, out], as in GPT-2. */
  transposed: boolean;
}

/** The linear layer of a weight's name: `x.q_proj.weight` is of `x.q_proj`, `x.in_proj_weight` of `x.in_proj`. */
export const layerOf = (name: string): string => name.replace(/[._]weight$/, '');

export const isTransposed = (family: string, name: string): boolean =>
  family === 'gpt' && /^transformer\.h\.\d+\.(attn|mlp)\.c_/.test(name);

export function adapterOf(
  { rank, alpha }: LoraConfig,
  { down, up, transposed }: Pick<Adapter, 'down' | 'up' | 'transposed'>,
): Adapter {
  return { down, up, transposed, width: down.length / rank, scale: alpha / rank };
}

/** Adds scale B A to elements `start ..` of the weight, in place. Sums in double precision. */
export function merge(values: Float32Array, start: number, { down, up, width, scale, transposed }: Adapter): void {
  const rank = down.length / width;
  const columns = transposed ? up.length / rank : width;
  for (let i = 0; i < values.length; i++) {
    const [row, column] = [Math.floor((start + i) / columns), (start + i) % columns];
    const [out, into] = transposed ? [column, row] : [row, column];
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += up[out * rank + r]! * down[r * width + into]!;
    values[i]! += scale * sum;
  }
}
