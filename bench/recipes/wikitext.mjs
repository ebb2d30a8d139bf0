/**
 * Raw files of WikiText in, TRAIN.txt and HELD_OUT.txt out: a paragraph a document, a sentence a line, a blank line between
 * documents; the last twentieth of the paragraphs is held out. node wikitext.mjs OUT_DIR FILE...
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [out, ...files] = process.argv.slice(2);
const paragraphs = files
  .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
  .map((line) => line.trim())
  .filter((line) => line.length > 60 && !line.startsWith('='))
  .map((line) => line.split(/(?<=[.!?;]) /).filter((sentence) => sentence.length > 8))
  .filter((sentences) => sentences.length >= 2);
const held = Math.floor(paragraphs.length / 20);
const write = (name, documents) =>
  writeFileSync(join(out, name), `${documents.map((sentences) => sentences.join('\n')).join('\n\n')}\n`);
write('train.txt', paragraphs.slice(0, -held));
write('held-out.txt', paragraphs.slice(-held));
