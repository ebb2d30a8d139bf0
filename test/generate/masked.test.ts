/** Masks, sentence pairs and vectors of a BERT against transformers, through the library and the command line. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { classify } from '../../src/generate/classify.ts';
import { embed, fill } from '../../src/generate/masked.ts';
import { millrace } from '../cli/run.ts';

const fixture = (path: string) => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const model = { checkpoint: fixture('models/bert_pretraining'), vocab: fixture('generate/bert'), threads: 1 };
const stored = JSON.parse(readFileSync(fixture('generate/bert/expected.json'), 'utf8')) as {
  masked: string[];
  fillings: [token: string, probability: number][][][];
  pairs: [string, string][];
  follows: number[];
  texts: string[];
  mean: number[][];
  cls: number[][];
};
const apart = (a: ArrayLike<number>, b: number[]) => Math.max(...b.map((value, i) => Math.abs(value - a[i]!)));

test('what is behind each mask', async (t) => {
  const found = await fill({ ...model, texts: stored.masked, k: 3 });
  stored.fillings.forEach((marks, i) => {
    const flat = marks.flatMap((best, mask) => best.map(([token, probability]) => ({ mask, token, probability })));
    t.deepEqual(
      found[i]!.map(({ mask, token }) => [mask, token]),
      flat.map(({ mask, token }) => [mask, token]),
    );
    const shares = found[i]!.map(({ probability }) => probability);
    t.true(
      apart(
        shares,
        flat.map(({ probability }) => probability),
      ) < 1e-5,
    );
  });
  await t.throwsAsync(fill({ ...model, texts: ['the mill'] }), { code: 'input', message: /no \[MASK\] in "the mill"/ });
});

test('whether the second text follows the first', async (t) => {
  const found = await classify({ ...model, texts: stored.pairs });
  const follows = found.map(({ probabilities }) => probabilities.next!);
  t.true(apart(follows, stored.follows) < 1e-5);
  await t.throwsAsync(classify({ ...model, texts: ['alone'] }), { code: 'input', message: /second text of a pair/ });
});

test('vectors of texts', async (t) => {
  const means = await embed({ ...model, texts: stored.texts, normalise: false });
  for (const [i, vector] of means.entries()) t.true(apart(vector, stored.mean[i]!) < 1e-5);
  const first = await embed({ ...model, texts: stored.texts, pool: 'cls' });
  for (const [i, vector] of first.entries()) t.true(apart(vector, stored.cls[i]!) < 1e-5);
});

test('the same on the command line', async (t) => {
  const rest = [model.checkpoint, '--vocab', model.vocab, '--threads', '1'];
  const filled = await millrace(['fill', ...rest, '-k', '1'], { stdin: `${stored.masked[1]}\n` });
  t.is(filled.code, 0, filled.stderr);
  t.deepEqual(
    filled.stdout.trim().split('\n'),
    stored.fillings[1]!.map(([[token, probability] = ['', 0]]) => `${token} ${probability.toFixed(4)}`),
  );
  const pairs = stored.pairs.map((pair) => pair.join('\t')).join('\n');
  const order = await millrace(['classify', ...rest, '--json'], { stdin: pairs });
  const { results } = JSON.parse(order.stdout) as { results: { label: string; probabilities: { next: number } }[] };
  t.deepEqual(Object.keys(results[0]!), ['label', 'probabilities']);
  t.true(Math.abs(results[1]!.probabilities.next - stored.follows[1]!) < 1e-5);
  const vectors = await millrace(['embed', ...rest, '--no-normalise'], { stdin: stored.texts.join('\n') });
  t.true(apart(JSON.parse(vectors.stdout.split('\n')[1]!) as number[], stored.mean[1]!) < 1e-5);
});
