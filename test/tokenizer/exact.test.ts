/** Ids, offsets and tokens equal to those of tiktoken and Hugging Face's tokenizers (made by bench/exact.py). */
import test from 'ava';
import { expected, hashesOf, sets, vocabularies } from '../support/exact.ts';

const texts = sets();
const reference = expected();

test('the texts are those of the reference', (t) => {
  t.deepEqual(
    Object.entries(texts).map(([name, list]) => [name, list.length]),
    [
      ['blns', 485],
      ['normalisation', 19074],
      ['generated', 20000],
    ],
  );
  t.deepEqual(Object.keys(reference), Object.keys(vocabularies));
});

for (const [name, load] of Object.entries(vocabularies)) {
  test(`${name} gives the ids, offsets and tokens of the reference`, async (t) => {
    const tokenizer = await load();
    for (const [set, list] of Object.entries(texts)) {
      const wanted = reference[name]?.[set];
      t.truthy(wanted);
      t.deepEqual(await hashesOf(tokenizer, list, wanted?.offsets !== undefined), wanted, set);
    }
  });
}

test('a token that only a whole word becomes is no part of a longer word', async (t) => {
  const tokenizer = await (vocabularies.llama3 as (typeof vocabularies)[string])();
  const options = { addSpecialTokens: false };
  for (const text of ['している', '応しているファイル', 'しない', '指定しない場合']) {
    t.deepEqual(tokenizer.ids(text, options), tokenizer.encode(text, options).ids, text);
  }
  t.is(tokenizer.ids('している', options).length, 1);
});

test('merges of tokens that later merges make are made', async (t) => {
  const tokenizer = await (vocabularies.llama3 as (typeof vocabularies)[string])();
  for (const [text, ids] of [
    ['成している\n実', [13153, 103792, 198, 103350]],
    ['持っているファイル', [69978, 103836, 104774, 106696]],
    [' по крайней мере,', [18154, 112502, 102018, 120214, 11]],
  ] as const) {
    t.deepEqual([...tokenizer.ids(text, { addSpecialTokens: false })], [...ids]);
    t.deepEqual([...tokenizer.encode(text, { addSpecialTokens: false }).ids], [...ids]);
  }
});
