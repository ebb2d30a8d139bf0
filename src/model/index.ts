/** Models: a config of any family goes in, a `Model` comes out. */
import { MillraceError } from '../errors.ts';
import { type LlamaConfig, llama } from './llama.ts';
import type { Model } from './model.ts';

export { ProgramBuilder } from './builder.ts';
export { type LlamaConfig, llama } from './llama.ts';
export { countParameters, type LogitsOptions, type Model, type ProgramOptions, type TrainingOptions } from './model.ts';
export type { DropoutMask, Edge, EdgeType, Init, LossTerm, Parameter, Program } from './program.ts';

export type ModelConfig = LlamaConfig;

export function buildModel(config: ModelConfig): Model {
  if (config.family === 'llama') return llama(config);
  throw new MillraceError(
    'config',
    `no model family is called ${JSON.stringify((config as { family: unknown }).family)}`,
  );
}
