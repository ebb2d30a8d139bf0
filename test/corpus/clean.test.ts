import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { cleanCorpus } from '../../src/corpus/clean.ts';
import { hashFile } from '../../src/pipeline/hash.ts';

const folder = () => mkdtemp(join(tmpdir(), 'millrace-clean-'));

test('documents are cleaned, filtered and without copies, the same for any number of threads', async (t) => {
  const dir = await folder();
  const texts = [
    '  cafe\u0301  noir\r\n\n\n\nand more ',
    '12345 67890',
    'café noir\n\nand more',
    'Another one, quite short.',
  ];
  for (const [i, text] of texts.entries()) await writeFile(join(dir, `${i}.txt`), text);
  const clean = { nfc: true, whitespace: true, maxDigits: 0.5, dedup: true };
  const run = (threads: number) =>
    cleanCorpus({ files: [join(dir, '*.txt')], clean, threads, out: join(dir, `out-${threads}.jsonl`) });
  const one = await run(1);
  t.like(one, { documents: 4, kept: 2, filtered: 1, copies: 1, rejected: 0, fields: ['text'] });
  const text = await readFile(join(dir, 'out-1.jsonl'), 'utf8');
  t.deepEqual(
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as object),
    [{ text: 'café noir\n\nand more' }, { text: 'Another one, quite short.' }],
  );
  t.is(one.sha256, await hashFile(join(dir, 'out-1.jsonl')));
  t.is((await run(3)).sha256, one.sha256);
});

test('fields of records go along; what can’t be read is named with its line', async (t) => {
  const dir = await folder();
  const path = join(dir, 'a.jsonl');
  const lines = [{ q: 'how  many', a: 'two' }, { q: 'no answer' }, { q: 'why', a: 'because' }];
  await writeFile(path, lines.map((line) => JSON.stringify(line)).join('\n'));
  const options = { files: [path], field: ['q', 'a'], clean: { whitespace: true }, out: join(dir, 'out.jsonl') };
  await t.throwsAsync(cleanCorpus(options), { message: /a\.jsonl:2: .*"a" is missing/ });
  const { kept, fields } = await cleanCorpus({ ...options, maxRejects: 1 });
  t.deepEqual([kept, fields], [2, ['field0', 'field1']]);
  t.is((await readFile(options.out, 'utf8')).split('\n')[0], '{"field0":"how many","field1":"two"}');
  await t.throwsAsync(cleanCorpus({ ...options, field: undefined }), { message: /which field is the text/ });
  const none = cleanCorpus({ ...options, maxRejects: 1, clean: { minChars: 99 } });
  await t.throwsAsync(none, { message: /none of 2 documents is left/ });
});
