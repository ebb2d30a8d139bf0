/** A tokenizer and text files in, how often each id occurs in them out. */
import { createReadStream } from 'node:fs';
import { findFiles } from '../corpus/files.ts';
import type { Watch } from '../progress.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface Uses {
  /** By id. */
  uses: Float64Array;
  bytes: number;
  tokens: number;
  /** What stands between white space. */
  words: number;
}

/** Encodes the files line by line. `patterns` are paths and globs. Throws `io` where one can't be read. */
export async function countUses(tokenizer: Tokenizer, patterns: string[], watch: Watch): Promise<Uses> {
  const uses = new Float64Array(tokenizer.vocabSize);
  let [bytes, tokens, words] = [0, 0, 0];
  for (const file of await findFiles(patterns)) {
    for await (const lines of blocks(file)) {
      const { ids } = await tokenizer.encodeBatch(lines, { addSpecialTokens: false, signal: watch.signal });
      for (const id of ids) uses[id]!++;
      tokens += ids.length;
      for (const line of lines) {
        bytes += Buffer.byteLength(line);
        words += line.match(/\S+/g)?.length ?? 0;
      }
      watch.onProgress?.({ phase: 'measure', done: bytes, total: 0, unit: 'bytes' });
    }
  }
  return { uses, bytes, tokens, words };
}

/** Lines, their newlines kept, a megabyte at a time. */
async function* blocks(file: string): AsyncGenerator<string[]> {
  let rest = '';
  for await (const chunk of createReadStream(file, { encoding: 'utf8', highWaterMark: 1 << 20 })) {
    const lines = (rest + chunk).split(/(?<=\n)/);
    rest = lines.at(-1)!.endsWith('\n') ? '' : lines.pop()!;
    if (lines.length > 0) yield lines;
  }
  if (rest) yield [rest];
}
