/** The keys of every family's config as zod schemas: those of Hugging Face's config.json that decide what is computed. */
import { z } from 'zod';

export const size = z.int().positive().max(100_000_000);
/** Layers: each becomes part of the graph, so a file must not ask for millions. */
const depth = z.int().positive().max(10_000);
export const id = z.int().min(0);
const rate = z.number().min(0).lt(1);
const positive = z.number().positive();

/** Strict: a key that were left out would turn the rotation into another one. */
const rope = z.strictObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: positive.optional(),
  factor: positive.optional(),
  low_freq_factor: positive.optional(),
  high_freq_factor: positive.optional(),
  original_max_position_embeddings: size.optional(),
  beta_fast: positive.optional(),
  beta_slow: positive.optional(),
  attention_factor: positive.nullish(),
  mscale: positive.nullish(),
  mscale_all_dim: positive.nullish(),
  truncate: z.boolean().optional(),
  partial_rotary_factor: positive.optional(),
});

/** Low-rank adaptation: see lora.ts. */
export const loraSchema = z.object({
  rank: size,
  alpha: positive,
  targets: z.array(z.string()).min(1),
  dropout: rate.optional(),
});

const llama = z.object({
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: depth,
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
  n_layer: depth,
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
  num_hidden_layers: depth,
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
  encoder_layers: depth,
  decoder_layers: depth,
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
  eos_token_id: z.union([id, z.array(id)]).nullish(),
  decoder_start_token_id: id.nullish(),
});

const transformer = z.object({
  vocab_size: size,
  trg_vocab_size: size.optional(),
  d_model: size,
  encoder_layers: depth,
  decoder_layers: depth,
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

export const familySchemas = { llama, gpt, bert, marian, transformer };
