/** The vocab verbs and encode and decode, as typed: what one writes the next one reads. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { millrace } from './run.ts';

const cwd = mkdtempSync(join(tmpdir(), 'millrace-vocab-cli-'));
test.after.always(() => rmSync(cwd, { recursive: true, force: true }));
const text = 'Call me Ishmael. Some years ago - never mind how long precisely - having little or no money.\n'.repeat(
  40,
);
writeFileSync(join(cwd, 'a.txt'), text);
writeFileSync(join(cwd, 'b.txt'), 'The whale, the white whale!\n'.repeat(40));
const json = (path: string) => JSON.parse(readFileSync(join(cwd, path), 'utf8'));

async function run(line: string, stdin?: string) {
  const { code, stdout, stderr } = await millrace([...line.split(' '), '--json'], {
    cwd,
    ...(stdin === undefined ? {} : { stdin }),
  });
  if (code !== 0) throw new Error(`${line}: exit code ${code}\n${stderr}`);
  return JSON.parse(stdout);
}

test.serial('count, train, show, extend, prune and convert', async (t) => {
  const counted = await run('vocab count a.txt --out all.counts');
  t.true(counted.words > 600);
  await run('vocab train all.counts --counts --size 320 --min-frequency 2 --out vocab');
  t.is(Object.keys(json('vocab/tokenizer.json').model.vocab).length, 320);

  const shown = await run('vocab show vocab a.txt');
  t.is(shown.size, 320);
  t.is(shown.corpus.bytes, Buffer.byteLength(text));
  t.true(shown.corpus.bytesPerToken > 1.5 && shown.corpus.unused > 0);
  t.deepEqual(shown.special, ['<|endoftext|>']);

  const extended = await run('vocab extend vocab b.txt --size 324 --out more');
  t.deepEqual([extended.size, extended.added], [324, 4]);
  const pruned = await run('vocab prune more a.txt --size 300 --out less');
  t.deepEqual([pruned.size, json('less/kept_ids.json').length], [300, 300]);

  await run('vocab convert more --to gpt2 --out gpt2');
  await run('vocab convert more --to tiktoken --out ranks');
  const line = 'The white whale, précisely 中文.';
  const { documents } = await run('encode more', `${line}\n\n`);
  t.deepEqual((await run('encode gpt2', `${line}\n\n`)).documents, documents);
  const back = await millrace(['decode', 'less'], {
    cwd,
    stdin: `${(await run('encode less', `${line}\n`)).documents[0].join(' ')}\n`,
  });
  t.is(back.stdout, `${line}\n`);
});

test('what is wrong is said, with exit code 2', async (t) => {
  const { code, stderr } = await millrace(['vocab', 'extend', 'nowhere', 'a.txt', '--size', '9', '--out', 'x'], {
    cwd,
  });
  t.true(code !== 0);
  t.regex(stderr, /nowhere: no such file or folder/);
  const size = await millrace(['vocab', 'prune', 'vocab', '--size', 'many', '--out', 'x'], { cwd });
  t.is(size.code, 2);
});
