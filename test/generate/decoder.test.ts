/** Decoding over a cache against the plain graph that sees the whole row at once, for every family that generates. */
import test from 'ava';
import { Decoder } from '../../src/generate/decoder.ts';
import { buildModel, type Model, type ModelConfig } from '../../src/model/index.ts';
import { Session } from '../../src/train/session.ts';
import { maxError } from '../support/ort.ts';

const llama: ModelConfig = {
  family: 'llama',
  vocab_size: 61,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  initializer_range: 0.3,
};
const decoders: Record<string, ModelConfig> = {
  'LLaMA with shared key and value heads': llama,
  'LLaMA with heads of 6 dimensions': { ...llama, head_dim: 6, tie_word_embeddings: true },
  GPT: { family: 'gpt', vocab_size: 61, n_positions: 32, n_embd: 32, n_layer: 2, n_head: 4, initializer_range: 0.3 },
};
const translators: Record<string, ModelConfig> = {
  Marian: {
    family: 'marian',
    vocab_size: 61,
    d_model: 32,
    encoder_layers: 2,
    decoder_layers: 2,
    encoder_attention_heads: 4,
    decoder_attention_heads: 4,
    encoder_ffn_dim: 64,
    decoder_ffn_dim: 64,
    max_position_embeddings: 48,
    init_std: 0.3,
  },
  'the 2017 Transformer': {
    family: 'transformer',
    vocab_size: 61,
    d_model: 32,
    encoder_layers: 2,
    decoder_layers: 2,
    heads: 4,
  },
};

async function open(config: ModelConfig, threads = 1) {
  const model = buildModel(config);
  const session = Session.create({ parameters: model.parameters, threads });
  await session.init(1);
  const decoder = Decoder.create({ model, capacity: 24, threads });
  for (const { name } of model.parameters) decoder.write(name, session.read('weight', name));
  return { model, session, decoder };
}

/** A row of the vocabulary after each token of `ids`. */
async function plain(model: Model, session: Session, ids: number[], source?: number[]) {
  const program = model.logitsProgram({ batchSize: 1, seqLen: ids.length, sourceLen: source?.length ?? ids.length });
  const loaded = await session.load(program);
  const ones = (row: number[]) => new Int32Array(row.length).fill(1);
  const feeds = source
    ? {
        input_ids: Int32Array.from(source),
        attention_mask: ones(source),
        decoder_input_ids: Int32Array.from(ids),
        decoder_attention_mask: ones(ids),
      }
    : { input_ids: Int32Array.from(ids) };
  const { logits } = await session.run(loaded, feeds);
  return (logits as Float32Array).subarray(-61);
}

for (const [name, config] of Object.entries(decoders)) {
  test(`${name}: rows of several lengths, token by token`, async (t) => {
    const { model, session, decoder } = await open(config);
    const rows = [[3, 14, 15, 9, 2, 6], [5], [8, 9, 7]];
    decoder.start(rows.length);
    await decoder.read(rows);
    for (let step = 0; step < 4; step++) {
      const logits = decoder.logits();
      for (const [i, row] of rows.entries()) {
        const error = maxError(logits.subarray(61 * i, 61 * (i + 1)), await plain(model, session, row));
        t.true(error < 2e-4, `step ${step}, row ${i}: ${error}`);
      }
      const next = rows.map((row, i) => [(row.at(-1)! * 7 + i + step) % 61]);
      next.forEach(([token], i) => {
        rows[i]!.push(token!);
      });
      await decoder.read(next);
    }
  });
}

for (const [name, config] of Object.entries(translators)) {
  test(`${name}: rows of several lengths, two hypotheses each, reordered`, async (t) => {
    const { model, session, decoder } = await open(config);
    const sources = [
      [3, 14, 15, 9, 2, 6],
      [5, 8, 1],
    ];
    await decoder.encode(sources, 2);
    let rows = [[1], [1], [1], [1]];
    await decoder.read(rows);
    for (let step = 0; step < 4; step++) {
      const logits = decoder.logits();
      for (const [i, row] of rows.entries()) {
        const expected = await plain(model, session, row, sources[i >> 1]);
        const error = maxError(logits.subarray(61 * i, 61 * (i + 1)), expected);
        t.true(error < 2e-4, `step ${step}, row ${i}: ${error}`);
      }
      const from = step === 1 ? [1, 0, 3, 3] : [0, 0, 2, 3];
      decoder.reorder(from);
      rows = from.map((row, i) => [...rows[row]!, (i * 11 + step * 5 + 2) % 61]);
      await decoder.read(rows.map((row) => [row.at(-1)!]));
    }
  });
}

test('what is too long, empty or does not generate is refused', async (t) => {
  const { decoder } = await open(llama);
  decoder.start(1);
  await t.throwsAsync(decoder.read([Array(25).fill(1)]), { code: 'input', message: /25 tokens are more than the 24/ });
  await t.throwsAsync(decoder.read([[]]), { code: 'internal' });
  const bert = buildModel({
    family: 'bert',
    vocab_size: 61,
    hidden_size: 32,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 32,
    max_position_embeddings: 16,
  });
  t.throws(() => Decoder.create({ model: bert, capacity: 8 }), { code: 'config' });
});

test('the same seed gives the same tokens, however often it stops, and greedy is the likeliest', async (t) => {
  const { decoder } = await open(llama);
  const run = async (options: object, pause: number) => {
    decoder.start(2);
    await decoder.prompt([[4, 5], [9]], { maxNewTokens: 12, ...options });
    const rows: number[][] = [[], []];
    for (let ended = false; !ended; ) {
      const more = await decoder.advance(pause);
      more.rows.forEach((tokens, i) => {
        rows[i]!.push(...tokens);
      });
      ended = more.ended;
    }
    return rows;
  };
  const sampled = await run({ seed: 3, temperature: 0.9, topP: 0.95 }, 1000);
  t.deepEqual(await run({ seed: 3, temperature: 0.9, topP: 0.95 }, 0), sampled);
  t.notDeepEqual(await run({ seed: 4, temperature: 0.9, topP: 0.95 }, 0), sampled);
  t.deepEqual(
    sampled.map(({ length }) => length),
    [12, 12],
  );
  const greedy = await run({ temperature: 0 }, 1000);
  decoder.start(1);
  await decoder.read([[4, 5]]);
  for (const token of greedy[0]!) {
    t.is(decoder.top(1).ids[0], token);
    await decoder.read([[token]]);
  }
  const [stopped] = await run({ temperature: 0, end: [greedy[0]![3]!] }, 1000);
  t.is(stopped!.length, greedy[0]!.indexOf(greedy[0]![3]!) + 1);
});
