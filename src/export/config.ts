/** A model's config in, the config.json that transformers 4 and 5 read out. */
import { MillraceError } from '../errors.ts';
import type {
  BertConfig,
  GptConfig,
  LlamaConfig,
  MarianConfig,
  ModelConfig,
  TransformerConfig,
} from '../model/index.ts';
import type { TokenRoles } from '../pretrained/config.ts';

export interface ConfigContext {
  roles: TokenRoles;
  labels?: string[] | undefined;
}

/** @throws `config` where transformers has no class for the model. */
export function huggingFaceConfig(config: ModelConfig, context: ConfigContext): Record<string, unknown> {
  const written: { [F in ModelConfig['family']]: (config: never) => Record<string, unknown> } = {
    llama,
    gpt,
    bert,
    marian,
    transformer,
  };
  const { roles, labels } = context;
  const eos = roles.eos && roles.eos.length === 1 ? roles.eos[0] : roles.eos;
  return {
    ...written[config.family](config as never),
    bos_token_id: roles.bos ?? null,
    eos_token_id: eos ?? null,
    // An embedding row of padding is left untrained by name, so the model's own word counts first.
    pad_token_id: ('pad_token_id' in config ? config.pad_token_id : undefined) ?? roles.pad ?? null,
    ...(roles.decoderStart !== undefined && { decoder_start_token_id: roles.decoderStart }),
    ...(labels && {
      id2label: Object.fromEntries(labels.map((label, i) => [i, label])),
      label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    }),
    dtype: 'float32',
    torch_dtype: 'float32',
    use_cache: true,
  };
}

function llama({ family: _, rms_norm_bias, ...config }: LlamaConfig): Record<string, unknown> {
  if (rms_norm_bias) {
    throw new MillraceError('config', 'LlamaForCausalLM has no bias in its RMSNorm, this model has (rms_norm_bias)', {
      hint: 'train with rms_norm_bias: false to export to Hugging Face',
    });
  }
  const given = config.rope_parameters ?? config.rope_scaling ?? undefined;
  const theta = given?.rope_theta ?? config.rope_theta ?? 10000;
  const { type, rope_type = type ?? 'default', rope_theta: _theta, ...rest } = given ?? {};
  const heads = config.num_attention_heads;
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    attention_bias: false,
    attention_dropout: 0,
    hidden_act: 'silu',
    initializer_range: 0.02,
    mlp_bias: false,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    ...config,
    num_key_value_heads: config.num_key_value_heads ?? heads,
    head_dim: config.head_dim ?? config.hidden_size / heads,
    // transformers 5 reads rope_parameters; 4 reads rope_theta and rope_scaling, and takes 10000 where it finds none.
    rope_parameters: { rope_theta: theta, rope_type, ...rest },
    rope_scaling: rope_type === 'default' ? null : { rope_type, ...rest },
    rope_theta: theta,
  };
}

function gpt({ family: _, head = 'lm', bias, ...config }: GptConfig): Record<string, unknown> {
  if (bias === false) {
    throw new MillraceError('config', 'GPT2LMHeadModel has biases everywhere, this model has none (bias: false)', {
      hint: 'train with bias: true to export to Hugging Face',
    });
  }
  return {
    architectures: [head === 'classify' ? 'GPT2ForSequenceClassification' : 'GPT2LMHeadModel'],
    model_type: 'gpt2',
    activation_function: 'gelu_new',
    // transformers' own defaults are 0.1, ours 0: say what holds.
    attn_pdrop: 0,
    embd_pdrop: 0,
    resid_pdrop: 0,
    initializer_range: 0.02,
    layer_norm_epsilon: 1e-5,
    n_inner: null,
    tie_word_embeddings: true,
    ...config,
  };
}

function bert({ family: _, head = 'pretraining', ...config }: BertConfig): Record<string, unknown> {
  const classes = {
    pretraining: 'BertForPreTraining',
    maskedlm: 'BertForMaskedLM',
    classify: 'BertForSequenceClassification',
  };
  return {
    architectures: [classes[head]],
    model_type: 'bert',
    attention_probs_dropout_prob: 0.1,
    classifier_dropout: null,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0.1,
    initializer_range: 0.02,
    layer_norm_eps: 1e-12,
    position_embedding_type: 'absolute',
    tie_word_embeddings: true,
    type_vocab_size: 2,
    ...config,
    ...(head === 'classify' && { problem_type: 'single_label_classification' }),
  };
}

const translator = {
  architectures: ['MarianMTModel'],
  model_type: 'marian',
  is_encoder_decoder: true,
  static_position_embeddings: true,
  forced_eos_token_id: null,
  encoder_layerdrop: 0,
  decoder_layerdrop: 0,
};

function marian({ family: _, ...config }: MarianConfig): Record<string, unknown> {
  return {
    ...translator,
    activation_dropout: 0,
    activation_function: 'gelu',
    attention_dropout: 0,
    dropout: 0.1,
    init_std: 0.02,
    scale_embedding: false,
    share_encoder_decoder_embeddings: true,
    tie_word_embeddings: true,
    ...config,
    decoder_vocab_size: config.decoder_vocab_size ?? config.vocab_size,
  };
}

/** The nearest class to the 2017 paper's model; ./tensors.ts reorders the weights so that it is exact. */
function transformer(config: TransformerConfig): Record<string, unknown> {
  const { tied = true, d_model, heads, ff = 4 * d_model, layer_norm_eps = 1e-5 } = config;
  if (layer_norm_eps !== 1e-5) {
    throw new MillraceError('config', `MarianMTModel has layer_norm_eps 1e-5, this model ${layer_norm_eps}`);
  }
  return {
    ...translator,
    vocab_size: config.vocab_size,
    decoder_vocab_size: config.trg_vocab_size ?? config.vocab_size,
    d_model,
    encoder_layers: config.encoder_layers,
    decoder_layers: config.decoder_layers,
    encoder_attention_heads: heads,
    decoder_attention_heads: heads,
    encoder_ffn_dim: ff,
    decoder_ffn_dim: ff,
    max_position_embeddings: 512,
    activation_function: config.activation ?? 'relu',
    dropout: config.dropout ?? 0.1,
    attention_dropout: config.attention_dropout ?? 0,
    activation_dropout: config.activation_dropout ?? 0,
    scale_embedding: true,
    share_encoder_decoder_embeddings: tied,
    tie_word_embeddings: tied,
  };
}
