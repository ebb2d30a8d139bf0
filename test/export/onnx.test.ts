/** Exported ONNX graphs in onnxruntime against our own runs: whole rows, token by token over the cache, padding. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import * as ort from 'onnxruntime-node';
import { exportModel } from '../../src/export/export.ts';
import { buildModel, type ModelConfig } from '../../src/model/index.ts';
import { openPretrained } from '../../src/pretrained/open.ts';
import { type Feeds, Session } from '../../src/train/session.ts';
import { maxError } from '../support/ort.ts';
import { bert, llama, scratch, tinyModel } from '../support/tiny.ts';

const gpt = {
  family: 'gpt',
  vocab_size: 300,
  n_positions: 64,
  n_embd: 32,
  n_layer: 2,
  n_head: 4,
  initializer_range: 0.2,
} as const;
const transformer = {
  family: 'transformer',
  vocab_size: 300,
  d_model: 32,
  encoder_layers: 2,
  decoder_layers: 2,
  heads: 4,
} as const;
const marian = {
  family: 'marian',
  vocab_size: 300,
  d_model: 32,
  encoder_layers: 1,
  decoder_layers: 2,
  encoder_attention_heads: 4,
  decoder_attention_heads: 2,
  encoder_ffn_dim: 64,
  decoder_ffn_dim: 64,
  max_position_embeddings: 64,
  init_std: 0.2,
} as const;

const row = (length: number, start: number) => Array.from({ length }, (_, i) => (i * 37 + start) % 300);
const ids = (values: number[], dims: number[]) => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), dims);
const floats = (results: ort.InferenceSession.OnnxValueMapType, name: string) => results[name]!.data as Float32Array;

async function open(config: ModelConfig) {
  const checkpoint = await tinyModel(config);
  const out = join(await scratch(), 'out');
  const { files } = await exportModel({ checkpoint, out, format: 'onnx' });
  const session = (file: string) => ort.InferenceSession.create(join(out, 'onnx', file), { intraOpNumThreads: 1 });
  return { checkpoint, out, files, session };
}

async function ours(
  checkpoint: string,
  options: { batchSize: number; seqLen: number; sourceLen?: number; hidden?: boolean },
  feeds: Feeds,
) {
  const pretrained = await openPretrained({ path: checkpoint });
  const session = Session.create({ parameters: pretrained.model.parameters, threads: 1 });
  await pretrained.weights.each(pretrained.model.parameters, (name, values, at) =>
    session.write('weight', name, values, at),
  );
  await pretrained.weights.close();
  return session.run(await session.load(pretrained.model.logitsProgram({ attentionMask: true, ...options })), feeds);
}

for (const [name, config] of Object.entries({ llama, gpt })) {
  test(`${name}: a prompt with padding on the left, then two tokens over the cache`, async (t) => {
    const { checkpoint, session, files } = await open(config);
    t.true(files.includes('onnx/model.onnx') && files.includes('config.json'));
    const model = await session('model.onnx');
    const [layers, kvHeads, size] = [2, name === 'llama' ? 2 : 4, 8];
    t.deepEqual(
      model.inputNames.filter((input) => !input.startsWith('past')),
      ['input_ids', 'attention_mask', 'position_ids'],
    );
    const rows = [row(6, 5), row(4, 90)];
    let past: Record<string, ort.Tensor> = {};
    for (let layer = 0; layer < layers; layer++)
      for (const kind of ['key', 'value'])
        past[`past_key_values.${layer}.${kind}`] = new ort.Tensor('float32', new Float32Array(), [2, kvHeads, 0, size]);
    let read = 0;
    for (const step of [6, 1, 1]) {
      read += step;
      const left = rows.map((tokens) => [...Array(6 - tokens.length).fill(0), ...tokens, 7, 8].slice(0, read));
      const masks = rows.map((tokens) => Array.from({ length: read }, (_, i) => Number(i >= 6 - tokens.length)));
      const places = rows.map((tokens) => Array.from({ length: read }, (_, i) => Math.max(0, i - 6 + tokens.length)));
      const results = await model.run({
        input_ids: ids(
          left.flatMap((tokens) => tokens.slice(-step)),
          [2, step],
        ),
        attention_mask: ids(masks.flat(), [2, read]),
        position_ids: ids(
          places.flatMap((values) => values.slice(-step)),
          [2, step],
        ),
        ...past,
      });
      past = Object.fromEntries(
        Object.keys(past).map((key) => [key, results[key.replace('past_key_values', 'present')] as ort.Tensor]),
      );
      t.deepEqual(past['past_key_values.0.key']!.dims, [2, kvHeads, read, size]);
      for (const [i, tokens] of rows.entries()) {
        const whole = Int32Array.from([...tokens, 7, 8].slice(0, read - 6 + tokens.length));
        const { logits } = await ours(
          checkpoint,
          { batchSize: 1, seqLen: whole.length },
          {
            input_ids: whole,
            attention_mask: new Int32Array(whole.length).fill(1),
          },
        );
        const last = floats(results, 'logits').subarray(((i + 1) * step - 1) * 300, (i + 1) * step * 300);
        const error = maxError(last, (logits as Float32Array).subarray(-300));
        t.true(error < 1e-4, `${error}`);
      }
    }
  });
}

for (const [name, config] of Object.entries({ marian, transformer })) {
  test(`${name}: encoder and decoder`, async (t) => {
    const { checkpoint, session } = await open(config);
    const [encoder, decoder] = [await session('encoder_model.onnx'), await session('decoder_model_merged.onnx')];
    const source = row(5, 11);
    const mask = ids([1, 1, 1, 1, 0], [1, 5]);
    const { last_hidden_state } = await encoder.run({ input_ids: ids(source, [1, 5]), attention_mask: mask });
    const [heads, size] = name === 'marian' ? [2, 16] : [4, 8];
    let past: Record<string, ort.Tensor> = {};
    for (let layer = 0; layer < 2; layer++)
      for (const kind of ['key', 'value'])
        past[`past_key_values.${layer}.decoder.${kind}`] = new ort.Tensor('float32', new Float32Array(), [
          1,
          heads,
          0,
          size,
        ]);
    const target = row(4, 50);
    for (let at = 0; at < target.length; at++) {
      const results = await decoder.run({
        input_ids: ids([target[at]!], [1, 1]),
        encoder_attention_mask: mask,
        encoder_hidden_states: last_hidden_state!,
        ...past,
      });
      past = Object.fromEntries(
        Object.keys(past).map((key) => [key, results[key.replace('past_key_values', 'present')] as ort.Tensor]),
      );
      const { logits } = await ours(
        checkpoint,
        { batchSize: 1, seqLen: at + 1, sourceLen: 5 },
        {
          input_ids: Int32Array.from(source),
          attention_mask: Int32Array.of(1, 1, 1, 1, 0),
          decoder_input_ids: Int32Array.from(target.slice(0, at + 1)),
          decoder_attention_mask: new Int32Array(at + 1).fill(1),
        },
      );
      const error = maxError(floats(results, 'logits'), (logits as Float32Array).subarray(-300));
      t.true(error < 1e-4, `${error}`);
    }
  });
}

test('bert: logits, order of sentences and the last layer', async (t) => {
  const { checkpoint, session } = await open(bert);
  const model = await session('model.onnx');
  const tokens = [...row(7, 3), ...row(7, 100)];
  const mask = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0];
  const types = [0, 0, 0, 1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0];
  const results = await model.run({
    input_ids: ids(tokens, [2, 7]),
    attention_mask: ids(mask, [2, 7]),
    token_type_ids: ids(types, [2, 7]),
  });
  const expected = await ours(
    checkpoint,
    { batchSize: 2, seqLen: 7, hidden: true },
    {
      input_ids: Int32Array.from(tokens),
      attention_mask: Int32Array.from(mask),
      token_type_ids: Int32Array.from(types),
    },
  );
  const pairs = { logits: 'logits', seq_relationship_logits: 'seq_relationship_logits', last_hidden_state: 'encoder' };
  for (const [theirs, name] of Object.entries(pairs))
    t.true(maxError(floats(results, theirs), expected[name] as Float32Array) < 1e-4, theirs);
});

test('a head without a layout is refused, and config.json is that of the model', async (t) => {
  await t.throwsAsync(open({ ...gpt, head: 'classify', num_labels: 2 }), { code: 'config', message: /no ONNX layout/ });
  const { out } = await open(llama);
  t.is(JSON.parse(await readFile(join(out, 'config.json'), 'utf8')).model_type, 'llama');
  t.truthy(buildModel(llama).recipe.decode);
});
