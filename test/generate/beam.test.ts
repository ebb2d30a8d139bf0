/** Beam search against transformers' `generate` on the same small model: tokens, order and scores. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { beamSearch, type Hypothesis } from '../../src/generate/beam.ts';
import { loadDecoder } from '../../src/generate/open.ts';
import { openPretrained } from '../../src/pretrained/open.ts';

const folder = fileURLToPath(new URL('../fixtures/generate/marian', import.meta.url));
interface Stored {
  sources: number[][];
  searches: { beams: number; lengthPenalty: number; earlyStopping: boolean; hypotheses: Hypothesis[][] }[];
}
const { sources, searches } = JSON.parse(readFileSync(`${folder}/beams.json`, 'utf8')) as Stored;

test('hypotheses and scores are those of transformers', async (t) => {
  const pretrained = await openPretrained({ path: folder });
  const decoder = await loadDecoder(pretrained, { capacity: 40, sourcePlaces: 48, threads: 1 });
  await pretrained.weights.close();
  for (const { hypotheses, ...options } of searches) {
    await decoder.encode(sources, options.beams);
    const found = await beamSearch({
      ...options,
      decoder,
      prompts: sources.map(() => [89]),
      maxNewTokens: 12,
      end: [0],
    });
    t.deepEqual(
      found.map((rows) => rows.map(({ tokens }) => tokens)),
      hypotheses.map((rows) => rows.map(({ tokens }) => tokens)),
    );
    if (options.beams === 1) continue;
    found.forEach((rows, i) => {
      rows.forEach(({ score }, j) => {
        t.true(Math.abs(score - hypotheses[i]![j]!.score) < 1e-4);
      });
    });
  }
});

test('one beam is greedy, and what is impossible is refused', async (t) => {
  const pretrained = await openPretrained({ path: folder });
  const decoder = await loadDecoder(pretrained, { capacity: 20, threads: 1 });
  const greedy = searches.find(({ beams }) => beams === 1)!;
  await decoder.encode(sources);
  await decoder.prompt(
    sources.map(() => [89]),
    { temperature: 0, maxNewTokens: 12, end: [0] },
  );
  const { rows } = await decoder.advance(60_000);
  t.deepEqual(
    rows.map((row) => [...row]),
    greedy.hypotheses.map(([best]) => best!.tokens),
  );
  const options = { decoder, prompts: [[89]], maxNewTokens: 3, end: [0] };
  await t.throwsAsync(beamSearch({ ...options, beams: 0 }), { code: 'config' });
  await pretrained.weights.close();
});
