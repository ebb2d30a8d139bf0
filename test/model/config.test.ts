/** Configs: exact parameter counts of the published models, and clear errors for what makes no sense. */
import test from 'ava';
import {
  type BertConfig,
  buildModel,
  countParameters,
  type GptConfig,
  type ModelConfig,
} from '../../src/model/index.ts';

const bertBase: BertConfig = {
  family: 'bert',
  vocab_size: 30522,
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  max_position_embeddings: 512,
};
const gpt2: GptConfig = { family: 'gpt', vocab_size: 50257, n_positions: 1024, n_embd: 768, n_layer: 12, n_head: 12 };

const published: [string, ModelConfig, number][] = [
  ['BERT-base', bertBase, 110_106_428],
  [
    'BERT-large',
    { ...bertBase, hidden_size: 1024, num_hidden_layers: 24, num_attention_heads: 16, intermediate_size: 4096 },
    336_226_108,
  ],
  ['GPT-2', gpt2, 124_439_808],
  [
    'LLaMA 7B',
    {
      family: 'llama',
      vocab_size: 32000,
      hidden_size: 4096,
      intermediate_size: 11008,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      max_position_embeddings: 2048,
    },
    6_738_415_616,
  ],
  [
    'Marian, 6 + 6 blocks of 512',
    {
      family: 'marian',
      vocab_size: 37000,
      d_model: 512,
      encoder_layers: 6,
      decoder_layers: 6,
      encoder_attention_heads: 8,
      decoder_attention_heads: 8,
      encoder_ffn_dim: 2048,
      decoder_ffn_dim: 2048,
      max_position_embeddings: 512,
    },
    63_082_496,
  ],
];
for (const [name, config, count] of published)
  test(`${name} has ${count.toLocaleString('en')} parameters`, (t) => {
    t.is(countParameters(buildModel(config).parameters), count);
  });

const refused: [string, ModelConfig, RegExp][] = [
  ['a width that heads do not divide', { ...bertBase, hidden_size: 770 }, /hidden_size 770 .* num_attention_heads 12/],
  ['an unknown activation', { ...gpt2, activation_function: 'gelo' }, /no activation is called "gelo"/],
  ['an unknown family', { ...gpt2, family: 'gtp' } as never, /no model family is called "gtp"/],
  ['relative positions', { ...bertBase, position_embedding_type: 'relative_key' }, /position_embedding_type/],
  ['regression', { ...bertBase, head: 'classify', problem_type: 'regression' }, /problem_type "regression"/],
];
for (const [what, config, message] of refused)
  test(`refused: ${what}`, (t) => {
    const error = t.throws(() => buildModel(config), { message });
    t.is((error as { code?: string }).code, 'config');
  });

test('rows longer than the learnt positions are refused', (t) => {
  t.throws(() => buildModel(gpt2).logitsProgram({ batchSize: 1, seqLen: 1025 }), { message: /1025 tokens/ });
});
