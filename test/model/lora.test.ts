/** Low-rank adaptation in every family: merged weights give what the thin matrices give, and only those are trained. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { buildModel, isAdapter, LORA_TARGETS, type ModelConfig } from '../../src/model/index.ts';
import { openPretrained } from '../../src/pretrained/open.ts';
import { writeSafetensors } from '../../src/train/safetensors.ts';
import { type Feeds, Session } from '../../src/train/session.ts';
import { maxError } from '../support/ort.ts';
import { bert, llama, scratch } from '../support/tiny.ts';

const configs: ModelConfig[] = [
  llama,
  { family: 'gpt', vocab_size: 300, n_positions: 64, n_embd: 32, n_layer: 2, n_head: 4, initializer_range: 0.2 },
  { ...bert, head: 'classify', num_labels: 3 },
  {
    family: 'marian',
    vocab_size: 300,
    d_model: 32,
    encoder_layers: 1,
    decoder_layers: 1,
    encoder_attention_heads: 4,
    decoder_attention_heads: 4,
    encoder_ffn_dim: 64,
    decoder_ffn_dim: 64,
    init_std: 0.3,
    max_position_embeddings: 64,
  },
  { family: 'transformer', vocab_size: 300, d_model: 32, encoder_layers: 1, decoder_layers: 1, heads: 4, dropout: 0 },
];

const ids = Int32Array.from({ length: 12 }, (_, i) => (i * 37 + 5) % 300);
const ones = new Int32Array(12).fill(1);
const feeds: Feeds = {
  input_ids: ids,
  attention_mask: ones,
  token_type_ids: new Int32Array(12),
  decoder_input_ids: ids,
  decoder_attention_mask: ones,
};

for (const config of configs) {
  test(`${config.family}: merged equals unmerged`, async (t) => {
    const lora = { rank: 3, alpha: 6, targets: LORA_TARGETS[config.family]! };
    const model = buildModel({ ...config, lora });
    const session = Session.create({ parameters: model.parameters, threads: 1 });
    await session.init(1);
    const logits = async () =>
      (await session.run(await session.load(model.logitsProgram({ batchSize: 2, seqLen: 6 })), feeds)).logits;
    const before = (await logits()) as Float32Array;
    const plain = buildModel(config);
    // B is zero at first: the adapted model is the model itself.
    const run = async (weights: (name: string) => Float32Array) => {
      const other = Session.create({ parameters: plain.parameters, threads: 1 });
      for (const { name } of plain.parameters) other.write('weight', name, weights(name));
      const loaded = await other.load(plain.logitsProgram({ batchSize: 2, seqLen: 6 }));
      return (await other.run(loaded, feeds)).logits as Float32Array;
    };
    t.is(maxError(before, await run((name) => session.read('weight', name))), 0);

    for (const { name, shape } of model.parameters.filter(({ name }) => name.includes('lora_B')))
      session.write(
        'weight',
        name,
        Float32Array.from({ length: shape[0]! * shape[1]! }, (_, i) => 0.1 * Math.sin(i + shape[0]!)),
      );
    const unmerged = (await logits()) as Float32Array;
    t.true(maxError(unmerged, before) > 1e-2);
    const folder = await scratch();
    await writeSafetensors(join(folder, 'model.safetensors'), [...session.tensors('weight')]);
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, lora }));
    const opened = await openPretrained({ path: folder });
    t.false(opened.model.parameters.some(({ name }) => isAdapter(name)));
    const merged = new Map(
      opened.model.parameters.map(({ name, shape }) => [name, new Float32Array(shape.reduce((a, b) => a * b, 1))]),
    );
    await opened.weights.each(opened.model.parameters, (name, values, start) => merged.get(name)!.set(values, start));
    await opened.weights.close();
    const error = maxError(await run((name) => merged.get(name)!), unmerged);
    t.true(error < 1e-5, `${error}`);
  });

  test(`${config.family}: a step moves the thin matrices alone`, async (t) => {
    const lora = { rank: 2, alpha: 2, targets: LORA_TARGETS[config.family]! };
    const model = buildModel({ ...config, lora });
    const program = model.trainingProgram({ batchSize: 2, seqLen: 6 });
    t.true(program.gradients.length > 0 && program.gradients.every(({ parameter }) => isAdapter(parameter)));
    const parameters = model.parameters.map((p) => ({ ...p, frozen: !isAdapter(p.name) }));
    const session = Session.create({ parameters, threads: 1 });
    await session.init(1);
    session.optimize({ betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 });
    const loaded = await session.load(program);
    const before = new Map(parameters.map(({ name }) => [name, session.read('weight', name)]));
    const labels = config.family === 'bert' ? Int32Array.of(1, 2) : ids;
    const masks = Object.fromEntries(program.dropout.map(({ name, shape }) => [name, shape]));
    t.truthy(masks);
    const step = () => session.step([{ loaded, feeds: { ...feeds, labels } }], { lr: 0.01, seed: 1, step: 0 });
    const first = await step();
    for (let i = 0; i < 20; i++) await step();
    const last = await step();
    t.true(last.losses[0]! < first.losses[0]!);
    for (const { name } of parameters)
      t.is(maxError(session.read('weight', name), before.get(name)!) > 0, isAdapter(name), name);
  });
}

test('a target that is no layer is named', (t) => {
  t.throws(() => buildModel({ ...llama, lora: { rank: 2, alpha: 2, targets: ['q_proj', 'query'] } }), {
    code: 'config',
    message: /"query"/,
  });
  t.throws(() => buildModel({ ...llama, lora: { rank: 0, alpha: 2, targets: ['q_proj'] } }), { code: 'config' });
});
