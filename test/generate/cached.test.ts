/** Decoding over a cache says the same tokens as running the whole row through the plain graph at every step. */
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { loadDecoder } from '../../src/generate/open.ts';
import { translateTokens } from '../../src/generate/translate.ts';
import type { ModelConfig } from '../../src/model/index.ts';
import { openPretrained } from '../../src/pretrained/open.ts';
import { Session } from '../../src/train/session.ts';
import { tinyModel } from '../support/tiny.ts';

const LENGTH = 24;
const SOURCES = [
  [3, 14, 15, 9, 2, 6],
  [5, 8, 1],
  [30, 7, 7, 12, 60, 44, 21, 2, 33],
];
const models = fileURLToPath(new URL('../fixtures/models', import.meta.url));

async function open(path: string) {
  const pretrained = await openPretrained({ path });
  const { model, weights } = pretrained;
  const session = Session.create({ parameters: model.parameters, threads: 1 });
  const decoder = await loadDecoder(pretrained, { capacity: LENGTH, sourcePlaces: 16, threads: 1 });
  await weights.each(
    model.parameters,
    (parameter, values, start) => session.write('weight', parameter, values, start),
    {
      optional: (parameter) => parameter === 'final_logits_bias',
    },
  );
  await weights.close();
  const vocabulary = model.recipe.decode!.vocabulary;
  const loaded = await session.load(
    model.logitsProgram({ batchSize: 1, seqLen: LENGTH, sourceLen: 16, attentionMask: true, at: 'last' }),
  );
  /** Greedy tokens after `start`, each by a run over all that stands before it; without cache. */
  const uncached = async (start: number[], { source, end }: { source?: number[]; end?: number | undefined } = {}) => {
    const row = [...start];
    const padded = (values: number[], length: number) => Int32Array.from({ length }, (_, i) => values[i] ?? 0);
    const mask = (values: number[], length: number) => Int32Array.from({ length }, (_, i) => +(i < values.length));
    while (row.length < LENGTH && (row.length === start.length || row.at(-1) !== end)) {
      const own = { ids: padded(row, LENGTH), mask: mask(row, LENGTH) };
      const { logits } = await session.run(loaded, {
        ...(source
          ? {
              input_ids: padded(source, 16),
              attention_mask: mask(source, 16),
              decoder_input_ids: own.ids,
              decoder_attention_mask: own.mask,
            }
          : { input_ids: own.ids, attention_mask: own.mask }),
        last_index: Int32Array.of(row.length - 1),
      });
      const scores = Array.from(logits as Float32Array);
      row.push(scores.indexOf(Math.max(...scores)));
    }
    return row.slice(start.length);
  };
  return { decoder, uncached, pretrained, vocabulary };
}

for (const name of ['gpt2_lm', 'llama_mha', 'llama_gqa', 'llama_llama3', 'llama_yarn'])
  test(`${name}: rows side by side`, async (t) => {
    const { decoder, uncached, vocabulary } = await open(`${models}/${name}`);
    const prompts = SOURCES.map((row) => row.map((token) => token % vocabulary));
    decoder.start(prompts.length);
    await decoder.prompt(prompts, { temperature: 0, maxNewTokens: LENGTH });
    const { rows } = await decoder.advance(60_000);
    // The last token comes from a row that is full, so a row has one more than places after its prompt.
    for (const [i, prompt] of prompts.entries()) {
      t.is(rows[i]!.length, LENGTH - prompt.length + 1);
      t.deepEqual([...rows[i]!].slice(0, -1), await uncached(prompt));
    }
  });

const vanilla: ModelConfig = {
  family: 'transformer',
  vocab_size: 61,
  d_model: 32,
  encoder_layers: 2,
  decoder_layers: 2,
  heads: 4,
};
const translators: Record<string, () => Promise<string> | string> = {
  marian: () => `${models}/marian`,
  'marian with unshared tables': () => `${models}/marian_unshared`,
  'the 2017 Transformer': () => tinyModel(vanilla),
  'the same, untied': () => tinyModel({ ...vanilla, tied: false, trg_vocab_size: 43 }, 2),
};
for (const [name, path] of Object.entries(translators))
  test(`${name}: sources side by side`, async (t) => {
    const { decoder, uncached, pretrained, vocabulary } = await open(await path());
    const { decoderStart: start = 1, eos: [end = vocabulary] = [] } = pretrained.roles;
    const tokens = { start, end: [end], suppress: [] };
    const sources = SOURCES.map((row) => row.map((token) => token % pretrained.config.vocab_size));
    const found = await translateTokens({ decoder, tokens, sources, maxNewTokens: LENGTH - 1 });
    for (const [i, source] of sources.entries()) {
      const wanted = (await uncached([start], { source, end })).filter((token) => token !== end);
      t.deepEqual(found[i], wanted);
    }
  });
