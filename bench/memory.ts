/**
 * The memory of vocabulary training on a large corpus: `node --import=tsx bench/memory.ts FILE [COPIES]`. Makes a corpus of
 * as many copies of the file (20), the ASCII letters of each moved on by one more place, so that most words of one copy are
 * in no other; trains on it and prints the figures of bench/vocab.ts.
 */
import { createReadStream, createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { run } from './vocab.ts';

const [file, copies = '20'] = process.argv.slice(2);
if (file === undefined) {
  console.error('usage: node --import=tsx bench/memory.ts FILE [COPIES]');
  process.exit(2);
}

/** Moves the letters on by `places`. */
function moved(places: number): Transform {
  const table = Uint8Array.from({ length: 256 }, (_, byte) => {
    const first = byte >= 97 && byte <= 122 ? 97 : byte >= 65 && byte <= 90 ? 65 : undefined;
    return first === undefined ? byte : first + ((byte - first + places) % 26);
  });
  return new Transform({
    transform(chunk: Buffer, _, done) {
      done(
        null,
        chunk.map((byte) => table[byte]!),
      );
    },
  });
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-memory-'));
try {
  const corpus = join(folder, 'corpus.txt');
  for (let copy = 0; copy < Number(copies); copy++) {
    await pipeline(createReadStream(file), moved(copy), createWriteStream(corpus, { flags: 'a' }));
  }
  console.log(`corpus               ${statSync(corpus).size} bytes`);
  for (const [key, value] of Object.entries(await run(['--corpus', corpus]))) {
    console.log(`${key.padEnd(20)} ${value}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
