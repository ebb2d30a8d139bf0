/** Folders in and out: tensors equal to the last bit, configs that transformers 4 and 5 read, and what can't be exported. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { exportModel } from '../../src/export/export.ts';
import type { ModelConfig } from '../../src/model/index.ts';
import { openPretrained } from '../../src/pretrained/open.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { Safetensors } from '../../src/train/safetensors.ts';
import { bert, llama, scratch, tinyModel, tinyVocab } from '../support/tiny.ts';

const gpt: ModelConfig = { family: 'gpt', vocab_size: 300, n_positions: 64, n_embd: 32, n_layer: 1, n_head: 4 };
const marian: ModelConfig = {
  family: 'marian',
  vocab_size: 300,
  d_model: 32,
  encoder_layers: 1,
  decoder_layers: 1,
  encoder_attention_heads: 4,
  decoder_attention_heads: 4,
  encoder_ffn_dim: 64,
  decoder_ffn_dim: 64,
  max_position_embeddings: 64,
};

async function tensors(folder: string): Promise<Record<string, Buffer>> {
  const file = await Safetensors.open(join(folder, 'model.safetensors'));
  const found: Record<string, Buffer> = {};
  for (const [name] of file.tensors) found[name] = Buffer.from(await file.bytes(name));
  await file.close();
  return found;
}
const json = async (folder: string, name: string) =>
  JSON.parse(await readFile(join(folder, name), 'utf8')) as Record<string, unknown>;

for (const config of [llama, gpt, bert, { ...bert, head: 'classify', num_labels: 3 } as ModelConfig, marian]) {
  test(`${config.family}${'head' in config ? ` with the head ${config.head}` : ''}: out, in and out again`, async (t) => {
    const checkpoint = await tinyModel(config);
    const [first, second] = [join(await scratch(), 'a'), join(await scratch(), 'b')];
    await exportModel({ checkpoint, out: first });
    await exportModel({ checkpoint: first, out: second });
    t.deepEqual(await tensors(first), await tensors(checkpoint));
    t.deepEqual(await tensors(second), await tensors(first));
    t.deepEqual(await json(second, 'config.json'), await json(first, 'config.json'));
    t.regex(String((await json(first, 'config.json')).architectures), /^(Llama|GPT2|Bert|Marian)/);
  });
}

const ropes = {
  llama3: { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 16 },
  yarn: { factor: 4, original_max_position_embeddings: 16, beta_fast: 8, beta_slow: 2, mscale: 1, mscale_all_dim: 0.5 },
};
for (const [rope_type, keys] of Object.entries(ropes)) {
  test(`rope is told to transformers 4 and to transformers 5: ${rope_type}`, async (t) => {
    const rope = { rope_type, ...keys };
    const checkpoint = await tinyModel({ ...llama, rope_parameters: { ...rope, rope_theta: 500000 } });
    const out = join(await scratch(), 'out');
    await exportModel({ checkpoint, out });
    const config = await json(out, 'config.json');
    t.is(config.rope_theta, 500000);
    t.deepEqual(config.rope_parameters, { rope_theta: 500000, ...rope });
    t.deepEqual(config.rope_scaling, rope);
    const { config: back, weights } = await openPretrained({ path: out });
    await weights.close();
    t.deepEqual((back as typeof llama & { rope_parameters: unknown }).rope_parameters, { rope_theta: 500000, ...rope });
  });
}

test('the tokenizer comes along, and the folder continues text by itself', async (t) => {
  const out = join(await scratch(), 'out');
  const { files } = await exportModel({ checkpoint: await tinyModel(llama), vocab: await tinyVocab(), out });
  t.deepEqual(files, [
    'config.json',
    'generation_config.json',
    'model.safetensors',
    'special_tokens_map.json',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  t.is((await json(out, 'special_tokens_map.json')).eos_token, '<|endoftext|>');
  t.is((await json(out, 'generation_config.json')).eos_token_id, 0);
});

test('the tokenizer of an exported encoder-decoder ends sources as in training', async (t) => {
  const vocab = await tinyVocab();
  const translator = {
    family: 'transformer',
    vocab_size: 300,
    d_model: 32,
    encoder_layers: 1,
    decoder_layers: 1,
    heads: 4,
  };
  const checkpoint = await tinyModel({ ...translator, start: 0, eos: 0 } as ModelConfig);
  const [out, again] = [join(await scratch(), 'out'), join(await scratch(), 'out')];
  await exportModel({ checkpoint, vocab, out });
  const [before, after] = [await Tokenizer.load(vocab), await Tokenizer.load(out)];
  t.deepEqual([...after.ids('the mill')], [...before.ids('the mill'), 0]);
  // And not twice.
  await exportModel({ checkpoint: out, out: again });
  t.deepEqual([...(await Tokenizer.load(again)).ids('the mill')], [...after.ids('the mill')]);
});

test('names of older folders are understood: gamma and beta, no prefix, heads tied elsewhere', async (t) => {
  const folder = await tinyModel(bert);
  const path = join(folder, 'model.safetensors');
  const bytes = await readFile(path);
  const length = Number(bytes.readBigUInt64LE());
  const header = bytes.subarray(8, 8 + length).toString();
  const old = Buffer.from(
    header.replaceAll('LayerNorm.weight', 'LayerNorm.gamma').replaceAll('LayerNorm.bias', 'LayerNorm.beta'),
  );
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(old.length));
  await writeFile(path, Buffer.concat([size, old, bytes.subarray(8 + length)]));
  const { model, weights } = await openPretrained({ path: folder });
  await t.notThrowsAsync(weights.each(model.parameters, () => {}));
  t.deepEqual(weights.unused(model.parameters), []);
  await weights.close();
});

test('what has no class there, and what would be overwritten, is refused; nothing is left behind', async (t) => {
  const parent = await scratch();
  const out = join(parent, 'out');
  await t.throwsAsync(exportModel({ checkpoint: await tinyModel({ ...llama, rms_norm_bias: true }), out }), {
    code: 'config',
    message: /RMSNorm/,
  });
  await t.throwsAsync(exportModel({ checkpoint: await tinyModel({ ...gpt, bias: false }), out }), { code: 'config' });
  await t.throwsAsync(exportModel({ checkpoint: await tinyModel(gpt), out, format: 'gguf' }), { code: 'config' });
  t.deepEqual(await readdir(parent), []);
  const foreign = await scratch();
  await writeFile(join(foreign, 'thesis.txt'), 'mine');
  await t.throwsAsync(exportModel({ checkpoint: await tinyModel(llama), out: foreign }), {
    code: 'config',
    message: /not empty/,
  });
  t.deepEqual(await readdir(foreign), ['thesis.txt']);
  const dry = await exportModel({ checkpoint: await tinyModel(llama), out, dryRun: true });
  t.true(dry.files.includes('model.safetensors'));
  t.deepEqual(await readdir(parent), []);
});
