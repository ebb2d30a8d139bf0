/** How parameters start. */
import type { Init } from './program.ts';

export type { Init } from './program.ts';
export const zeros: Init = { kind: 'zeros' };
export const ones: Init = { kind: 'ones' };
export const normal = (std: number): Init => ({ kind: 'normal', std });
/** Glorot and Bengio 2010, eq. 16: uniform in +-sqrt(6 / (in + out)). */
export const xavierUniform = (fanIn: number, fanOut: number): Init => ({
  kind: 'uniform',
  bound: Math.sqrt(6 / (fanIn + fanOut)),
});
