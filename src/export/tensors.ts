/** A model's weights in, the tensors of the Hugging Face class that stands for it out. */
import type { TransformerConfig } from '../model/index.ts';
import type { Pretrained } from '../pretrained/open.ts';
import { type TensorSource, tensor } from '../train/safetensors.ts';

/** Our parameters carry Hugging Face's names and layouts, so this copies; only the 2017 Transformer is rearranged. */
export async function exportTensors({ config, model, weights }: Pretrained): Promise<TensorSource[]> {
  const values = new Map(model.parameters.map(({ name, shape }) => [name, new Float32Array(count(shape))]));
  await weights.each(model.parameters, (name, piece, start) => values.get(name)!.set(piece, start), {
    optional: (name) => name === 'final_logits_bias',
  });
  if (config.family === 'transformer') return marianTensors(config, values);
  return model.parameters.map(({ name, shape }) => tensor(name, shape, values.get(name)!));
}

const count = (shape: number[]) => shape.reduce((a, b) => a * b, 1);

/**
 * The paper interleaves sines and cosines over the width, Marian has all sines first. Every axis of that width is
 * reordered, even dimensions first, then odd ones: the same function, in Marian's order.
 */
function marianTensors(config: TransformerConfig, values: Map<string, Float32Array>): TensorSource[] {
  const { d_model: width, ff = 4 * width, tied = true } = config;
  const targets = config.trg_vocab_size ?? config.vocab_size;
  const order = [...Array(width).keys()].sort((a, b) => (a % 2) - (b % 2) || a - b);
  const found: TensorSource[] = [];
  const get = (name: string) => values.get(name)!;
  const put = (name: string, shape: number[], data: Float32Array) => found.push(tensor(name, shape, data));
  const columns = (data: Float32Array) => data.map((_, i) => data[i - (i % width) + order[i % width]!]!);
  const rows = (data: Float32Array, size: number) =>
    data.map((_, i) => data[order[Math.floor(i / size)]! * size + (i % size)]!);

  const norm = (from: string, to: string) => {
    for (const part of ['weight', 'bias']) put(`${to}.${part}`, [width], columns(get(`${from}.${part}`)));
  };
  const attention = (from: string, to: string) => {
    for (const [i, part] of ['q', 'k', 'v'].entries()) {
      const square = width * width;
      const weight = get(`${from}.in_proj_weight`).slice(i * square, (i + 1) * square);
      put(`${to}.${part}_proj.weight`, [width, width], columns(weight));
      put(`${to}.${part}_proj.bias`, [width], get(`${from}.in_proj_bias`).slice(i * width, (i + 1) * width));
    }
    put(`${to}.out_proj.weight`, [width, width], rows(get(`${from}.out_proj.weight`), width));
    put(`${to}.out_proj.bias`, [width], columns(get(`${from}.out_proj.bias`)));
  };
  const layer = (side: 'encoder' | 'decoder', i: number) => {
    const [from, to] = [`${side}.layers.${i}`, `model.${side}.layers.${i}`];
    attention(`${from}.self_attn`, `${to}.self_attn`);
    norm(`${from}.norm1`, `${to}.self_attn_layer_norm`);
    if (side === 'decoder') {
      attention(`${from}.multihead_attn`, `${to}.encoder_attn`);
      norm(`${from}.norm2`, `${to}.encoder_attn_layer_norm`);
    }
    norm(`${from}.norm${side === 'decoder' ? 3 : 2}`, `${to}.final_layer_norm`);
    put(`${to}.fc1.weight`, [ff, width], columns(get(`${from}.linear1.weight`)));
    put(`${to}.fc1.bias`, [ff], get(`${from}.linear1.bias`));
    put(`${to}.fc2.weight`, [width, ff], rows(get(`${from}.linear2.weight`), ff));
    put(`${to}.fc2.bias`, [width], columns(get(`${from}.linear2.bias`)));
  };
  for (let i = 0; i < config.encoder_layers; i++) layer('encoder', i);
  for (let i = 0; i < config.decoder_layers; i++) layer('decoder', i);
  const source = columns(get('emb.weight'));
  if (tied) put('model.shared.weight', [config.vocab_size, width], source);
  else {
    put('model.encoder.embed_tokens.weight', [config.vocab_size, width], source);
    put('model.decoder.embed_tokens.weight', [targets, width], columns(get('tgt_emb.weight')));
    put('lm_head.weight', [targets, width], columns(get('out.weight')));
  }
  put('final_logits_bias', [1, targets], tied ? new Float32Array(targets) : get('out.bias'));
  return found;
}
