/** Attention weights against transformers, and the picture: a pixel a weight, tokens on both axes. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { inflateSync } from 'node:zlib';
import test from 'ava';
import { type AttentionWeights, attention, attentionOf } from '../../src/generate/attention.ts';
import { openPretrained } from '../../src/pretrained/open.ts';
import { attentionHtml } from '../../src/report/attention.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { llama, tinyModel, tinyVocab } from '../support/tiny.ts';

const fixture = (path: string) => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
interface Stored {
  ids: number[];
  target: number[];
  /** Model -> kind -> [layers, heads, queries, keys]. */
  attention: Record<string, Record<string, number[][][][]>>;
}
const stored = JSON.parse(readFileSync(fixture('generate/attention.json'), 'utf8')) as Stored;

for (const [name, kinds] of Object.entries(stored.attention)) {
  test(`${name}: the weights are those of transformers`, async (t) => {
    const pretrained = await openPretrained({ path: fixture(`models/${name}`) });
    const tokenizer = await Tokenizer.load(await tinyVocab());
    const target = name === 'marian' ? stored.target : undefined;
    const [maps] = await attentionOf({ pretrained, tokenizer }, { rows: [{ ids: stored.ids, target }], threads: 1 });
    await pretrained.weights.close();
    t.deepEqual(
      maps!.map((map) => map.name),
      Object.keys(kinds),
    );
    for (const { name: kind, heads } of maps!) {
      const wanted = kinds[kind]!;
      t.is(heads.length, wanted.flat().length);
      for (const { layer, head, weights } of heads) {
        const right = wanted[layer - 1]![head - 1]!.flat();
        t.is(weights.length, right.length);
        const worst = Math.max(...right.map((value, i) => Math.abs(value - weights[i]!)));
        t.true(worst < 2e-6, `${kind} layer ${layer} head ${head}: ${worst}`);
      }
    }
  });
}

/** The opacities of the first picture of a page. */
function opacities(html: string): number[] {
  const [, base64 = ''] = /data:image\/png;base64,([^"]+)/.exec(html) ?? [];
  const file = Buffer.from(base64, 'base64');
  const [width, height] = [file.readUInt32BE(16), file.readUInt32BE(20)];
  const at = file.indexOf('IDAT');
  const lines = inflateSync(file.subarray(at + 4, at + 4 + file.readUInt32BE(at - 4)));
  return Array.from({ length: width * height }, (_, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    return lines[row * (1 + 4 * width) + 1 + 4 * column + 3]!;
  });
}

test('the page draws the chosen heads of the chosen layers', async (t) => {
  const [checkpoint, vocab] = [await tinyModel(llama), await tinyVocab()];
  const tokenizer = await Tokenizer.load(vocab);
  const options = { checkpoint, vocab, rows: [{ ids: tokenizer.ids('the mill <b>') }], threads: 1 };
  const [maps] = await attention({ ...options, layers: [2], heads: [1, 3] });
  const [map] = maps as AttentionWeights[];
  t.deepEqual(
    map!.heads.map(({ layer, head }) => [layer, head]),
    [
      [2, 1],
      [2, 3],
    ],
  );
  const html = attentionHtml({ title: 'a < b', texts: [{ title: 'the mill', maps: maps! }] });
  t.is(html.match(/<figure>/g)?.length, 2);
  t.regex(html, /<title>a &lt; b<\/title>/);
  t.false(html.includes('<b>'));
  // Labels: rows, then columns, of each head.
  const texts = [...html.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
  const escaped = map!.keys.map((token) => token.replaceAll('<', '&lt;').replaceAll('>', '&gt;'));
  t.deepEqual(texts, [...escaped, ...escaped, ...escaped, ...escaped]);
  t.deepEqual(
    opacities(html),
    Array.from(map!.heads[0]!.weights, (weight) => Math.round(255 * Math.sqrt(weight))),
  );
  for (const options of [{ layers: [3] }, { heads: [5] }, { layers: [0] }])
    await t.throwsAsync(attention({ checkpoint, vocab, rows: [{ ids: [1, 2] }], threads: 1, ...options }), {
      code: 'usage',
      message: /^there is no (layer|head) [305]$/,
    });
  const big = { layer: 1, head: 1, weights: new Float32Array(8_000_001) };
  const many = [{ title: '', maps: [{ name: '', queries: [], keys: [], heads: [big] }] }];
  t.throws(() => attentionHtml({ title: '', texts: many }), { code: 'input', message: /too many/ });
});
