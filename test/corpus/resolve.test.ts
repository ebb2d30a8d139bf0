import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { resolveCorpus } from '../../src/corpus/resolve.ts';
import type { MillraceError } from '../../src/errors.ts';

const folder = () => mkdtemp(join(tmpdir(), 'millrace-corpus-'));

test('the quick-start corpus is the one its checksums name', async (t) => {
  const { manifest, files } = await resolveCorpus({ files: ['corpora/moby-dick.yaml'] });
  t.is(manifest?.licence, 'CC0-1.0');
  t.is(files.length, 135);
  t.true(files.every(({ format, sha256 }) => format === 'file' && /^[0-9a-f]{64}$/.test(sha256 ?? '')));
});

test('a manifest whose text changed names the file', async (t) => {
  const dir = await folder();
  await mkdir(join(dir, 'text'));
  await writeFile(join(dir, 'text/a.txt'), 'one');
  await writeFile(join(dir, 'text/b.txt'), 'two');
  const sum = (text: string) => createHash('sha256').update(text).digest('hex');
  await writeFile(join(dir, 'sums'), `${sum('one')}  text/a.txt\n${sum('two')}  text/b.txt\n`);
  const yaml = join(dir, 'own.yaml');
  await writeFile(yaml, 'name: own\nlicence: MIT\nsource: { files: [text/*.txt] }\nchecksums: sums\n');
  t.is((await resolveCorpus({ files: [yaml] })).files.length, 2);
  await writeFile(join(dir, 'text/b.txt'), 'changed');
  const error = await t.throwsAsync<MillraceError>(resolveCorpus({ files: [yaml] }));
  t.is(error?.code, 'corrupt');
  t.regex(error?.message ?? '', /text\/b\.txt has SHA-256/);
  await writeFile(join(dir, 'text/b.txt'), 'two');
  await writeFile(join(dir, 'text/c.txt'), 'three');
  t.regex((await t.throwsAsync(resolveCorpus({ files: [yaml] })))?.message ?? '', /text\/c\.txt has no checksum/);
});

test('a package that is not installed, a pattern without files, an unknown extension', async (t) => {
  const dir = await folder();
  const yaml = join(dir, 'none.yaml');
  await writeFile(yaml, 'name: none\nlicence: MIT\nsource: { package: no-such-package-here, files: [a] }\n');
  const missing = await t.throwsAsync<MillraceError>(resolveCorpus({ files: [yaml] }));
  t.is(missing?.code, 'environment');
  t.regex(missing?.hint ?? '', /npm install no-such-package-here/);
  const nothing = await t.throwsAsync<MillraceError>(resolveCorpus({ files: [join(dir, '*.txt')] }));
  t.is(nothing?.code, 'input');
  await writeFile(join(dir, 'a.dat'), 'x');
  t.regex((await t.throwsAsync<MillraceError>(resolveCorpus({ files: [join(dir, 'a.dat')] })))?.hint ?? '', /format/);
  t.is((await resolveCorpus({ files: [join(dir, 'a.dat')], format: 'line' })).files[0]?.format, 'line');
});
