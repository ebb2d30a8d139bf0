/**
 * Low-rank adaptation (Hu et al. 2021, eq. 3): a frozen linear layer's input and output go in, its output plus the
 * product of two thin trained matrices comes out: y + alpha / rank * (x A^T) B^T. B starts at zero, so training starts
 * where the frozen model stands. Names and first values as in PEFT.
 */
import { MillraceError } from '../errors.ts';
import { add, matmul, slice, type Value } from '../graph/index.ts';
import type { ProgramBuilder } from './builder.ts';
import { zeros } from './init.ts';

export interface LoraConfig {
  rank: number;
  alpha: number;
  /** Last parts of the names of linear layers, such as `q_proj`. */
  targets: string[];
  /** On the input of A, in training. */
  dropout?: number;
}

/** What PEFT adapts where one does not say. */
export const LORA_TARGETS: Record<string, string[]> = {
  llama: ['q_proj', 'v_proj'],
  gpt: ['c_attn'],
  bert: ['query', 'value'],
  marian: ['q_proj', 'v_proj'],
  transformer: ['in_proj'],
};

export const isAdapter = (name: string): boolean => /\.lora_[AB]\.weight$/.test(name);

export function checkLora({ rank, alpha, targets }: LoraConfig, names: string[]): void {
  if (!Number.isInteger(rank) || rank < 1) throw new MillraceError('config', `lora.rank ${rank}: take 1 or more`);
  if (!(alpha > 0)) throw new MillraceError('config', `lora.alpha ${alpha}: take a number above 0`);
  for (const target of targets) {
    if (names.some((name) => isAdapter(name) && matches(name.replace(/\.lora_[AB]\.weight$/, ''), [target]))) continue;
    throw new MillraceError('config', `lora.targets: no linear layer of the model ends in ${JSON.stringify(target)}`);
  }
}

const matches = (name: string, targets: string[]) =>
  targets.some((target) => name === target || name.endsWith(`.${target}`));

interface AdaptedLayer {
  /** The layer's input and output. */
  x: Value;
  y: Value;
  /** Size of the whole layer's output, and the part of it that `y` is. */
  out: number;
  part?: [from: number, to: number];
}

/** Nothing where the layer is not a target. */
export function adapt(b: ProgramBuilder, name: string, { x, y, out, part }: AdaptedLayer): Value {
  const { lora } = b;
  if (!lora || !matches(name, lora.targets)) return y;
  const width = x.size(-1);
  const down = b.parameter(`${name}.lora_A.weight`, [lora.rank, width], {
    kind: 'uniform',
    bound: 1 / Math.sqrt(width),
  });
  const up = b.parameter(`${name}.lora_B.weight`, [out, lora.rank], zeros);
  const thin = matmul(b.dropout(x, lora.dropout ?? 0), down, { transB: true });
  const rows = part ? slice(up, 0, ...part) : up;
  return add(y, matmul(thin, rows, { transB: true, alpha: lora.alpha / lora.rank }));
}
