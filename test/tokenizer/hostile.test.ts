/** Broken vocabularies are errors that name the place; strange texts survive the round trip; both ways give the same ids. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { MillraceError } from '../../src/errors.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { vocabularies } from '../support/exact.ts';

const good = {
  model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] as unknown },
  added_tokens: [] as unknown[],
  pre_tokenizer: null as unknown,
};

function nested(depth: number): unknown {
  let inner: unknown = { type: 'Digits', individual_digits: true };
  for (let i = 0; i < depth; i++) inner = { type: 'Sequence', pretokenizers: [inner] };
  return inner;
}

const token = (id: unknown) => ({ id, content: '<x>', special: true });
const broken: Record<string, [object | string, RegExp]> = {
  'no JSON': ['{', /tokenizer\.json|JSON|EOF/i],
  'no model': [{}, /model/],
  'an unknown model': [{ model: { type: 'Oracle', vocab: {} } }, /Oracle/],
  'a merge of unknown tokens': [{ ...good, model: { ...good.model, merges: ['a c'] } }, /merges\[0\].*"c"/],
  'a merge that makes no token': [{ ...good, model: { ...good.model, merges: ['b a'] } }, /merges\[0\].*"ba"/],
  'a merge of three': [{ ...good, model: { ...good.model, merges: ['a b c'] } }, /merges/],
  'an id of 4e9': [{ ...good, model: { ...good.model, vocab: { a: 4e9 }, merges: [] } }, /4000000000|4e9|vocab/],
  'a negative id': [{ ...good, model: { ...good.model, vocab: { a: -1 }, merges: [] } }, /-1|vocab/],
  'half an id': [{ ...good, model: { ...good.model, vocab: { a: 0.5 }, merges: [] } }, /0\.5|vocab/],
  'an id twice': [{ ...good, model: { ...good.model, vocab: { a: 0, b: 0 }, merges: [] } }, /0/],
  'an added token with an id of 4e9': [{ ...good, added_tokens: [token(4e9)] }, /added_tokens\[0\]\.id/],
  'an added token with a negative id': [{ ...good, added_tokens: [token(-1)] }, /added_tokens\[0\]\.id/],
  'an added token without content': [{ ...good, added_tokens: [{ id: 3 }] }, /added_tokens\[0\].*content/],
  'a bad regular expression': [
    { ...good, pre_tokenizer: { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated', invert: false } },
    /pre_tokenizer\.pattern/,
  ],
  'an unknown pre-tokenizer': [{ ...good, pre_tokenizer: { type: 'Knife' } }, /pre_tokenizer.*Knife/],
  'an unknown option': [{ ...good, pre_tokenizer: { type: 'Digits', colour: 1 } }, /colour/],
  'an unknown normalizer': [{ ...good, normalizer: { type: 'Magic' } }, /normalizer.*Magic/],
  'an unknown decoder': [{ ...good, decoder: { type: 'Magic' } }, /decoder.*Magic/],
};

for (const [what, [json, message]] of Object.entries(broken)) {
  test(`${what} is an error that says so`, async (t) => {
    const error = await t.throwsAsync(Tokenizer.fromJson(json), { instanceOf: MillraceError });
    t.regex(error?.message ?? '', message);
  });
}

test('a file cut short anywhere is an error', async (t) => {
  const whole = JSON.stringify(good);
  for (let end = 0; end < whole.length; end++) {
    await t.throwsAsync(Tokenizer.fromJson(whole.slice(0, end)), { instanceOf: MillraceError }, `${end}`);
  }
  t.is((await Tokenizer.fromJson(whole)).vocabSize, 3);
});

test('nesting without end is an error or a tokenizer, not a crash', async (t) => {
  t.is((await Tokenizer.fromJson({ ...good, pre_tokenizer: nested(20) })).ids('ab').length, 1);
  const deep = JSON.stringify({ ...good, pre_tokenizer: 'HERE' });
  const open = '{"type":"Sequence","pretokenizers":['.repeat(100_000);
  await t.throwsAsync(Tokenizer.fromJson(deep.replace('"HERE"', open)), { instanceOf: MillraceError });
  await t.throwsAsync(Tokenizer.fromJson('['.repeat(1_000_000)), { instanceOf: MillraceError });
});

test('any JSON in the place of a component is an error or a tokenizer', async (t) => {
  const keys = [
    'normalizer',
    'pre_tokenizer',
    'post_processor',
    'decoder',
    'added_tokens',
    'truncation',
    'padding',
    'model',
  ];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...keys), fc.jsonValue(), async (key, value) => {
      try {
        await Tokenizer.fromJson({ ...good, [key]: value });
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
      }
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('a line of 64 MB takes its time and no more, on one thread and on three', async (t) => {
  const tokenizer = await (vocabularies.cl100k as () => Promise<Tokenizer>)();
  const one = tokenizer.ids('Call me Ishmael. ', { addSpecialTokens: false });
  const sentence = 'Call me Ishmael. ';
  const texts = [sentence.repeat(Math.ceil(64e6 / sentence.length)), sentence];
  const batch = await tokenizer.encodeBatch(texts, { addSpecialTokens: false, threads: 3 });
  const alone = await tokenizer.encodeBatch(texts, { addSpecialTokens: false, threads: 1 });
  t.deepEqual(batch.offsets, alone.offsets);
  t.true(Buffer.from(batch.ids.buffer).equals(Buffer.from(alone.ids.buffer)));
  t.deepEqual(batch.ids.slice(batch.offsets[1], batch.offsets[2]), one);
  t.true(tokenizer.decode(batch.ids.subarray(0, batch.offsets[1])) === texts[0]);
});

test('a vocabulary that is not UTF-8 is an error that names the line', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-hostile-'));
  const path = join(folder, 'vocab.txt');
  writeFileSync(path, Buffer.from([0x5b, 0x55, 0x4e, 0x4b, 0x5d, 0x0a, 0xff, 0x0a]));
  await t.throwsAsync(Tokenizer.load(path), { code: 'input', message: /vocab\.txt: line 2 is not UTF-8/ });
  writeFileSync(join(folder, 'tokenizer.json'), Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]));
  await t.throwsAsync(Tokenizer.load(folder), { code: 'input' });
  rmSync(folder, { recursive: true });
});

const byteLevel = ['r50k', 'cl100k', 'o200k', 'llama3'];
const strange: Record<string, string> = {
  nothing: '',
  NULs: '\0'.repeat(1000),
  'a BOM': '\ufeffabc',
  CRLF: 'a\r\nb\r\n\r\nc\r',
  'a million spaces': ' '.repeat(1_000_000),
  'a million spaces and a word': `${' '.repeat(1_000_000)}x`,
  'a million a': 'a'.repeat(1_000_000),
  'a million ideographs': '中'.repeat(1_000_000),
  'a million newlines': '\n'.repeat(1_000_000),
  'a storm of marks': `e${'\u0301\u0323'.repeat(200_000)}`,
  'a million apostrophes': "'".repeat(1_000_000),
  'half a million pairs': 'ab'.repeat(500_000),
};

for (const name of byteLevel) {
  test(`${name}: strange texts come back whole`, async (t) => {
    const tokenizer = await (vocabularies[name] as () => Promise<Tokenizer>)();
    for (const [what, text] of Object.entries(strange)) {
      const ids = tokenizer.ids(text, { addSpecialTokens: false });
      t.true(tokenizer.decode(ids) === text, what);
    }
  });
}

for (const [name, load] of Object.entries(vocabularies)) {
  test(`${name}: both ways and any number of threads give the same ids`, async (t) => {
    const tokenizer = await load();
    const part = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.string({ unit: 'grapheme', maxLength: 20 }),
      fc.constantFrom(
        ' ',
        '\n',
        "'s",
        ' the',
        'straße',
        '中国人民',
        '[MASK]',
        '...',
        '\u0301',
        '\u000b',
        '\u0085',
        '\u3000',
      ),
    );
    const text = fc.array(part, { maxLength: 12 }).map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 20 }), async (texts) => {
        const options = { addSpecialTokens: false };
        const one = await tokenizer.encodeBatch(texts, { ...options, threads: 1 });
        t.deepEqual(await tokenizer.encodeBatch(texts, { ...options, threads: 3 }), one);
        texts.forEach((each, i) => {
          const ids = one.ids.subarray(one.offsets[i], one.offsets[i + 1]);
          t.deepEqual(tokenizer.encode(each, { ...options, truncation: false, padding: false }).ids, ids.slice());
          if (byteLevel.includes(name)) t.is(tokenizer.decode(ids, { skipSpecialTokens: false }), each);
        });
      }),
      { numRuns: 60 },
    );
  });
}
