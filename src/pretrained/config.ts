/**
 * A config.json of Hugging Face in (transformers 4 or 5; BERT, GPT-2, LLaMA, Marian) or one of our own families, the
 * model's config and the roles of its tokens out. The way back is in ../export/huggingface.ts.
 */
import { z } from 'zod';
import { MillraceError } from '../errors.ts';
import type { ModelConfig } from '../model/index.ts';

/** What single tokens are for, as config.json and generation_config.json say. */
export interface TokenRoles {
  bos?: number;
  eos?: number[];
  pad?: number;
  /** The first token of the decoder in encoder-decoders. */
  decoderStart?: number;
}

const size = z.int().positive().max(100_000_000);
const id = z.int().min(0);
const rate = z.number().min(0).lt(1);
const positive = z.number().positive();

const roles = z.object({
  bos_token_id: id.nullish(),
  eos_token_id: z.union([id, z.array(id)]).nullish(),
  pad_token_id: id.nullish(),
  decoder_start_token_id: id.nullish(),
});

const labels = z.object({
  num_labels: size.optional(),
  id2label: z.record(z.string(), z.string()).optional(),
});

const rope = z.object({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: positive.optional(),
  factor: positive.optional(),
  low_freq_factor: positive.optional(),
  high_freq_factor: positive.optional(),
  original_max_position_embeddings: size.optional(),
});

const llama = z.object({
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  max_position_embeddings: size,
  hidden_act: z.string().optional(),
  rms_norm_eps: positive.optional(),
  rms_norm_bias: z.boolean().optional(),
  rope_theta: positive.optional(),
  rope_parameters: rope.nullish(),
  rope_scaling: rope.nullish(),
  tie_word_embeddings: z.boolean().optional(),
  attention_bias: z.boolean().optional(),
  mlp_bias: z.boolean().optional(),
  attention_dropout: rate.optional(),
  initializer_range: positive.optional(),
  pad_token_id: id.nullish(),
});

const gpt = z.object({
  vocab_size: size,
  n_positions: size,
  n_embd: size,
  n_layer: size,
  n_head: size,
  n_inner: size.nullish(),
  activation_function: z.string().optional(),
  layer_norm_epsilon: positive.optional(),
  initializer_range: positive.optional(),
  tie_word_embeddings: z.boolean().optional(),
  embd_pdrop: rate.optional(),
  attn_pdrop: rate.optional(),
  resid_pdrop: rate.optional(),
  scale_attn_weights: z.boolean().optional(),
  scale_attn_by_inverse_layer_idx: z.boolean().optional(),
  bias: z.boolean().optional(),
  head: z.enum(['lm', 'classify']).optional(),
  num_labels: size.optional(),
});

const bert = z.object({
  vocab_size: size,
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  intermediate_size: size,
  max_position_embeddings: size,
  type_vocab_size: size.optional(),
  hidden_act: z.string().optional(),
  layer_norm_eps: positive.optional(),
  hidden_dropout_prob: rate.optional(),
  attention_probs_dropout_prob: rate.optional(),
  classifier_dropout: rate.nullish(),
  initializer_range: positive.optional(),
  pad_token_id: id.nullish(),
  tie_word_embeddings: z.boolean().optional(),
  position_embedding_type: z.string().optional(),
  problem_type: z.string().nullish(),
  head: z.enum(['pretraining', 'maskedlm', 'classify']).optional(),
  num_labels: size.optional(),
});

const marian = z.object({
  vocab_size: size,
  decoder_vocab_size: size.nullish(),
  d_model: size,
  encoder_layers: size,
  decoder_layers: size,
  encoder_attention_heads: size,
  decoder_attention_heads: size,
  encoder_ffn_dim: size,
  decoder_ffn_dim: size,
  max_position_embeddings: size,
  activation_function: z.string().optional(),
  dropout: rate.optional(),
  attention_dropout: rate.optional(),
  activation_dropout: rate.optional(),
  scale_embedding: z.boolean().optional(),
  share_encoder_decoder_embeddings: z.boolean().optional(),
  tie_word_embeddings: z.boolean().optional(),
  init_std: positive.optional(),
  pad_token_id: id.nullish(),
  eos_token_id: id.optional(),
  decoder_start_token_id: id.optional(),
});

const transformer = z.object({
  vocab_size: size,
  trg_vocab_size: size.optional(),
  d_model: size,
  encoder_layers: size,
  decoder_layers: size,
  heads: size,
  ff: size.optional(),
  activation: z.string().optional(),
  layer_norm_eps: positive.optional(),
  tied: z.boolean().optional(),
  dropout: rate.optional(),
  attention_dropout: rate.optional(),
  activation_dropout: rate.optional(),
  pad: id.optional(),
  start: id.optional(),
  eos: id.optional(),
});

/** Families by the `model_type` of Hugging Face, or by their own name. */
const FAMILIES: Record<string, { family: ModelConfig['family']; schema: z.ZodObject }> = {
  llama: { family: 'llama', schema: llama },
  gpt2: { family: 'gpt', schema: gpt },
  gpt: { family: 'gpt', schema: gpt },
  bert: { family: 'bert', schema: bert },
  marian: { family: 'marian', schema: marian },
  transformer: { family: 'transformer', schema: transformer },
};

/** What the last layer is for, by the class that wrote the folder. */
const HEADS: Record<string, string> = {
  BertForPreTraining: 'pretraining',
  BertForMaskedLM: 'maskedlm',
  BertForSequenceClassification: 'classify',
  GPT2LMHeadModel: 'lm',
  GPT2ForSequenceClassification: 'classify',
};

/** Keys whose other values change the model into one that we don't build. */
const REFUSED: [key: string, wrong: (value: unknown) => boolean][] = [
  ['is_decoder', (value) => value === true],
  ['add_cross_attention', (value) => value === true],
  ['quantization_config', (value) => value !== null && value !== undefined],
];

/** `path` is the name in messages. @throws `input` naming the key. */
export function readConfig(json: unknown, path: string): { config: ModelConfig; labels?: string[] } {
  const refuse = (message: string, hint?: string) =>
    new MillraceError('input', `${path}: ${message}`, hint === undefined ? {} : { hint });
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw refuse('it holds no JSON object');
  const given = json as Record<string, unknown>;
  const kind = given.family ?? given.model_type;
  const found = typeof kind === 'string' && Object.hasOwn(FAMILIES, kind) ? FAMILIES[kind] : undefined;
  if (!found) {
    throw refuse(
      kind === undefined ? 'it has no model_type' : `the model_type ${JSON.stringify(kind)} is not one that we build`,
      `model_type is one of ${Object.keys(FAMILIES).join(', ')}`,
    );
  }
  for (const [key, wrong] of REFUSED)
    if (wrong(given[key])) throw refuse(`${key} ${JSON.stringify(given[key])} is not supported`);
  const config = parse(found.schema, given, path);
  const { num_labels, id2label } = parse(labels, given, path) as z.output<typeof labels>;
  const architecture = Array.isArray(given.architectures) ? String(given.architectures[0]) : undefined;
  const head = given.head ?? (architecture && Object.hasOwn(HEADS, architecture) ? HEADS[architecture] : undefined);
  const classes = num_labels ?? (id2label && Object.keys(id2label).length);
  const names = id2label && Array.from({ length: classes ?? 0 }, (_, i) => id2label[i] ?? `LABEL_${i}`);
  return {
    config: {
      family: found.family,
      ...config,
      ...(head !== undefined && { head }),
      ...(head === 'classify' && { num_labels: classes ?? 2 }),
    } as ModelConfig,
    ...(head === 'classify' && names && { labels: names }),
  };
}

/** The roles of tokens; what generation_config.json says goes before config.json. */
export function readRoles(config: unknown, generation: unknown, path: string): TokenRoles {
  const given = [config, generation].map(
    (json) => parse(roles, (json ?? {}) as object, path) as z.output<typeof roles>,
  );
  const pick = <K extends keyof z.output<typeof roles>>(key: K) => given[1]![key] ?? given[0]![key] ?? undefined;
  const { start, eos: end, pad: padding } = config as { start?: number; eos?: number; pad?: number };
  const [bos, eos, pad, first] = [
    pick('bos_token_id'),
    pick('eos_token_id') ?? end,
    pick('pad_token_id') ?? padding,
    pick('decoder_start_token_id') ?? start,
  ];
  return {
    ...(bos !== undefined && { bos }),
    ...(eos !== undefined && { eos: Array.isArray(eos) ? eos : [eos] }),
    ...(pad !== undefined && { pad }),
    ...(first !== undefined && { decoderStart: first }),
  };
}

function parse(schema: z.ZodType, given: object, path: string): Record<string, unknown> {
  const result = schema.safeParse(given);
  if (result.success) return result.data as Record<string, unknown>;
  const issue = result.error.issues[0]!;
  const key = issue.path.join('.');
  const value = issue.path.reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown>)?.[part], given);
  const what = value === undefined ? 'is missing' : `makes no sense: ${JSON.stringify(value)?.slice(0, 60)}`;
  throw new MillraceError('input', `${path}: ${key} ${what} (${issue.message})`, {
    hint: 'the folder is damaged, or of a model that we do not know',
  });
}
