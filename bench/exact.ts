/**
 * Compares our ids, offsets and tokens on samples of corpora with the reference's:
 * `python bench/exact.py --corpora DIR --mb 5 OUT.json`, then `node --import=tsx bench/exact.ts --corpora DIR --mb 5 OUT.json`.
 * Ends with exit code 1 where they differ.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Hashes, hashesOf, vocabularies } from '../test/support/exact.ts';
import { documentsOf } from './documents.ts';

const { values, positionals } = parseArgs({
  options: { corpora: { type: 'string' }, mb: { type: 'string', default: '5' } },
  allowPositionals: true,
});
const [file] = positionals;
if (!values.corpora || !file) {
  console.error('usage: node --import=tsx bench/exact.ts --corpora DIR [--mb 5] EXPECTED.json');
  process.exit(2);
}
const reference = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Record<string, Hashes>>;
const names = readdirSync(values.corpora).filter((name) => name.endsWith('.txt'));
const sets = names.map((name) => {
  const documents = documentsOf(join(values.corpora ?? '', name), Number(values.mb));
  return [basename(name, '.txt'), documents] as const;
});
let different = 0;
for (const [name, load] of Object.entries(vocabularies)) {
  const tokenizer = await load();
  for (const [set, texts] of sets) {
    const wanted = reference[name]?.[set];
    if (!wanted) continue;
    const found = await hashesOf(tokenizer, texts, wanted.offsets !== undefined);
    const same = JSON.stringify(found) === JSON.stringify(wanted);
    different += same ? 0 : 1;
    const what = Object.keys(found).join(', ');
    console.log(
      `${name.padEnd(14)} ${set.padEnd(10)} ${texts.length} documents: ${what} ${same ? 'equal' : 'DIFFERENT'}`,
    );
  }
}
process.exit(different ? 1 : 0);
