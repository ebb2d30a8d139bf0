/** Small models with drawn weights in folders of their own, and a small vocabulary. For tests only. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildModel, type ModelConfig } from '../../src/model/index.ts';
import { trainVocab } from '../../src/tokenizer/train.ts';
import { writeSafetensors } from '../../src/train/safetensors.ts';
import { Session } from '../../src/train/session.ts';

export const scratch = () => mkdtemp(join(tmpdir(), 'millrace-use-'));

export const llama = {
  family: 'llama',
  vocab_size: 300,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  initializer_range: 0.3,
} satisfies ModelConfig;

export const bert = {
  family: 'bert',
  vocab_size: 300,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 48,
  max_position_embeddings: 40,
  initializer_range: 0.2,
} satisfies ModelConfig;

/** A folder with config.json and model.safetensors. */
export async function tinyModel(config: ModelConfig, seed = 1): Promise<string> {
  const folder = await scratch();
  const model = buildModel(config);
  const session = Session.create({ parameters: model.parameters, threads: 1 });
  await session.init(seed);
  await writeSafetensors(join(folder, 'model.safetensors'), [...session.tensors('weight')]);
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  return folder;
}

const WORDS = 'the river runs past the mill and the wheel turns all day while the miller counts sacks of grain'.split(
  ' ',
);

/** A byte-level BPE vocabulary of 300 tokens; the folder that holds it. */
export async function tinyVocab(): Promise<string> {
  const out = await scratch();
  const texts = Array.from({ length: 200 }, (_, i) => WORDS.map((_, j) => WORDS[(i * j + j) % WORDS.length]).join(' '));
  await writeFile(join(out, 'text.txt'), texts.join('\n'));
  await trainVocab({ files: [join(out, 'text.txt')], kind: 'bpe', vocabSize: 300, out });
  return out;
}
