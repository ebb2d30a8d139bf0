/** The text of a tokenizer.json in, what a report shows of it out. */
import type { TokenizerData } from './data.ts';

interface File {
  model: {
    type?: string;
    vocab: Record<string, number> | [string, number][];
    merges?: unknown[];
    continuing_subword_prefix?: string;
  };
  pre_tokenizer?: { type?: string; pretokenizers?: { type?: string }[] } | null;
  added_tokens?: { content: string }[];
}

export function tokenizerData(text: string, more: [string, number | string][] = []): TokenizerData {
  const file = JSON.parse(text) as File;
  const { vocab, merges } = file.model;
  const tokens = Array.isArray(vocab) ? vocab.map(([token]) => token) : Object.keys(vocab);
  const special = new Set(file.added_tokens?.map(({ content }) => content));
  const steps = file.pre_tokenizer?.pretokenizers ?? [file.pre_tokenizer];
  const byteLevel = steps.some((step) => step?.type === 'ByteLevel');
  const plain = tokens.filter((token) => !special.has(token));
  const prefix = file.model.continuing_subword_prefix ?? '';
  const bytes = plain.map((token) =>
    byteLevel
      ? [...token].length
      : Buffer.byteLength(prefix && token.startsWith(prefix) ? token.slice(prefix.length) : token),
  );
  const lengths: number[] = [];
  for (const length of bytes) lengths[Math.min(length, 24)] = (lengths[Math.min(length, 24)] ?? 0) + 1;
  const longest = plain
    .map((token, i) => ({ token, bytes: bytes[i]! }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 40)
    .map(({ token }) => (byteLevel ? readable(token) : token));
  return {
    figures: [
      ['model', `${byteLevel ? 'byte-level ' : ''}${file.model.type ?? 'BPE'}`],
      ['entries', tokens.length],
      ...(merges ? [['merges', merges.length] as [string, number]] : []),
      ['special tokens', [...special].join(' ')],
      ...more,
    ],
    lengths: Array.from(lengths, (n) => n ?? 0),
    longest,
    file: text,
  };
}

/** Printable stand-ins for bytes (GPT-2's table) back to text. */
function readable(token: string): string {
  let next = 256;
  const own = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  const table = new Map(Array.from({ length: 256 }, (_, b) => [own(b) ? b : next++, b]));
  return Buffer.from([...token].map((char) => table.get(char.codePointAt(0)!) ?? 0)).toString('utf8');
}
