/** A LLaMA and its tokenizer in, one .gguf file that llama.cpp and its relatives load out. */
import { MillraceError } from '../errors.ts';
import type { LlamaConfig } from '../model/index.ts';
import { ropeFrequencies } from '../model/rope.ts';
import type { Pretrained } from '../pretrained/open.ts';
import { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type GgufTensor, type GgufValue, writeGguf } from './gguf_file.ts';
import { ggufTokenizer } from './gguf_tokenizer.ts';
import { withTokenizer } from './huggingface.ts';

export async function writeGgufFile(pretrained: Pretrained, path: string): Promise<void> {
  const { config } = pretrained;
  if (config.family !== 'llama') {
    throw new MillraceError('config', `a ${config.family} has no GGUF form here`, { hint: 'export it as hf or onnx' });
  }
  if (config.rms_norm_bias || config.attention_bias || config.mlp_bias) {
    throw new MillraceError('config', 'GGUF has no place for the biases of this LLaMA', { hint: 'export it as onnx' });
  }
  if (pretrained.tokenizer === undefined) {
    throw new MillraceError('input', 'a .gguf file holds the tokenizer too, and none is known', {
      hint: 'name the folder of its vocabulary with --vocab',
    });
  }
  const tokenizer = await Tokenizer.load(pretrained.tokenizer);
  const roles = withTokenizer(pretrained.roles, tokenizer);
  const metadata = new Map<string, GgufValue>([
    ...describe(config),
    ...(await ggufTokenizer({ path: pretrained.tokenizer, roles, size: config.vocab_size })),
    ...(pretrained.chatTemplate === undefined
      ? []
      : ([['tokenizer.chat_template', { string: pretrained.chatTemplate }]] as const)),
  ]);
  await writeGguf(path, { metadata, tensors: await tensors(pretrained, config) });
}

function sizes(config: LlamaConfig) {
  const heads = config.num_attention_heads;
  return { heads, kvHeads: config.num_key_value_heads ?? heads, size: config.head_dim ?? config.hidden_size / heads };
}

function describe(config: LlamaConfig): [string, GgufValue][] {
  const { heads, kvHeads, size } = sizes(config);
  const rope = config.rope_parameters ?? config.rope_scaling;
  const kind = rope?.rope_type ?? rope?.type ?? 'default';
  const scaling: [string, GgufValue][] =
    kind === 'linear' || kind === 'yarn'
      ? [
          ['llama.rope.scaling.type', { string: kind }],
          ['llama.rope.scaling.factor', { f32: rope!.factor! }],
          [
            'llama.rope.scaling.original_context_length',
            { u32: rope!.original_max_position_embeddings ?? config.max_position_embeddings },
          ],
        ]
      : [];
  return [
    ['general.architecture', { string: 'llama' }],
    ['general.name', { string: 'millrace' }],
    ['general.file_type', { u32: 0 }],
    ['general.quantization_version', { u32: 2 }],
    ['llama.vocab_size', { u32: config.vocab_size }],
    ['llama.context_length', { u32: config.max_position_embeddings }],
    ['llama.embedding_length', { u32: config.hidden_size }],
    ['llama.block_count', { u32: config.num_hidden_layers }],
    ['llama.feed_forward_length', { u32: config.intermediate_size }],
    ['llama.attention.head_count', { u32: heads }],
    ['llama.attention.head_count_kv', { u32: kvHeads }],
    ['llama.attention.key_length', { u32: size }],
    ['llama.attention.value_length', { u32: size }],
    ['llama.attention.layer_norm_rms_epsilon', { f32: config.rms_norm_eps ?? 1e-6 }],
    ['llama.rope.dimension_count', { u32: size }],
    ['llama.rope.freq_base', { f32: rope?.rope_theta ?? config.rope_theta ?? 10000 }],
    ...scaling,
  ];
}

async function tensors({ model, weights }: Pretrained, config: LlamaConfig): Promise<GgufTensor[]> {
  const { heads, kvHeads, size } = sizes(config);
  const found: GgufTensor[] = model.parameters.map(({ name, shape }) => ({
    name,
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
  }));
  const byName = new Map(found.map((tensor) => [tensor.name, tensor]));
  await weights.each(model.parameters, (name, piece, start) => byName.get(name)!.data.set(piece, start));
  for (const tensor of found) {
    const parts = /\.(q|k)_proj\.weight$/.exec(tensor.name);
    if (parts) interleave(tensor, parts[1] === 'q' ? heads : kvHeads, size);
    tensor.name = rename(tensor.name);
  }
  const rope = config.rope_parameters ?? config.rope_scaling;
  if ((rope?.rope_type ?? rope?.type) === 'llama3') found.push(frequencies(config, size));
  return found;
}

const NAMES: [RegExp, string][] = [
  [/^model\.embed_tokens\./, 'token_embd.'],
  [/^model\.norm\./, 'output_norm.'],
  [/^lm_head\./, 'output.'],
  [/^model\.layers\.(\d+)\.self_attn\.(q|k|v)_proj\./, 'blk.$1.attn_$2.'],
  [/^model\.layers\.(\d+)\.self_attn\.o_proj\./, 'blk.$1.attn_output.'],
  [/^model\.layers\.(\d+)\.mlp\.(gate|up|down)_proj\./, 'blk.$1.ffn_$2.'],
  [/^model\.layers\.(\d+)\.input_layernorm\./, 'blk.$1.attn_norm.'],
  [/^model\.layers\.(\d+)\.post_attention_layernorm\./, 'blk.$1.ffn_norm.'],
];

function rename(name: string): string {
  const [pattern, to] = NAMES.find(([from]) => from.test(name)) ?? [];
  if (!pattern) throw new MillraceError('internal', `no GGUF name for ${name}`);
  return name.replace(pattern, to!);
}

/** Ours turns dimension i with i + size / 2, GGUF's LLaMA turns neighbours: rows of each head are reordered to match. */
function interleave(tensor: GgufTensor, heads: number, size: number): void {
  const width = tensor.shape[1]!;
  const { data } = tensor;
  const moved = new Float32Array(data.length);
  for (let head = 0; head < heads; head++)
    for (let i = 0; i < size; i++) {
      const from = head * size + (i % 2) * (size / 2) + (i >> 1);
      moved.set(data.subarray(from * width, (from + 1) * width), (head * size + i) * width);
    }
  tensor.data = moved;
}

/** Plain angle over scaled angle of each pair: how llama.cpp is told of LLaMA 3's long contexts. */
function frequencies(config: LlamaConfig, headSize: number): GgufTensor {
  const parameters = config.rope_parameters ?? config.rope_scaling;
  const theta = parameters?.rope_theta ?? config.rope_theta ?? 10000;
  const { frequencies: scaled } = ropeFrequencies({ headSize, theta, parameters });
  const data = Float32Array.from(ropeFrequencies({ headSize, theta }).frequencies, (plain, i) => plain / scaled[i]!);
  return { name: 'rope_freqs.weight', shape: [data.length], data };
}
