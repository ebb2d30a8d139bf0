/** Models: a config of any family goes in, a `Model` comes out. */
import { MillraceError } from '../errors.ts';
import { type BertConfig, bert } from './bert.ts';
import { type GptConfig, gpt } from './gpt.ts';
import { type LlamaConfig, llama } from './llama.ts';
import { type MarianConfig, marian } from './marian.ts';
import type { Model } from './model.ts';
import { type TransformerConfig, transformer } from './transformer.ts';

export * from './attention.ts';
export * from './attention_forms.ts';
export { type BertConfig, bert } from './bert.ts';
export { ProgramBuilder } from './builder.ts';
export { type GptConfig, gpt } from './gpt.ts';
export * from './init.ts';
export * from './layers.ts';
export { type LlamaConfig, llama } from './llama.ts';
export { isAdapter, LORA_TARGETS, type LoraConfig } from './lora.ts';
export { type MarianConfig, marian } from './marian.ts';
export {
  countParameters,
  type LogitsOptions,
  type Model,
  makeModel,
  type ProgramOptions,
  type Recipe,
  type TrainingOptions,
} from './model.ts';
export type { DropoutMask, Edge, EdgeType, LossTerm, Parameter, Program } from './program.ts';
export { familySchemas } from './schema.ts';
export { type TransformerConfig, transformer } from './transformer.ts';

/** The family of a model and the keys of its config.json. */
export type ModelConfig = LlamaConfig | GptConfig | BertConfig | MarianConfig | TransformerConfig;

/** The model of a config; `family` says which, all other keys are those of Hugging Face's config.json. */
export function buildModel(config: ModelConfig): Model {
  switch (config.family) {
    case 'llama':
      return llama(config);
    case 'gpt':
      return gpt(config);
    case 'bert':
      return bert(config);
    case 'marian':
      return marian(config);
    case 'transformer':
      return transformer(config);
    default:
      throw new MillraceError(
        'config',
        `no model family is called ${JSON.stringify((config as { family: unknown }).family)}`,
        {
          hint: 'family is one of llama, gpt, bert, marian, transformer',
        },
      );
  }
}
