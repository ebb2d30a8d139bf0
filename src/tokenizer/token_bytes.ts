/** A vocabulary in, the bytes of text that each of its tokens stands for out: what bits a byte are counted with. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface TokenizerFile {
  decoder?: Part | null;
  model?: { type?: string; vocab?: Record<string, number> };
  added_tokens?: { id: number; content: string; special: boolean }[];
}
interface Part {
  type?: string;
  decoders?: Part[];
}

/**
 * `vocab`: a tokenizer.json or its folder. Bytes by id; special tokens stand for none. Undefined where tokens are not pieces of the text's bytes (WordPiece, or a
 * BPE that is not byte-level) and where there is no tokenizer.json: there no sum over tokens gives the text's length. With a normalizer the bytes are those of
 * the normalised text.
 */
export async function tokenBytes(vocab: string): Promise<Uint32Array | undefined> {
  const path = vocab.endsWith('.json') ? vocab : join(vocab, 'tokenizer.json');
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const file = JSON.parse(text) as TokenizerFile;
  if (!byteLevel(file.decoder) || file.model?.type !== 'BPE') return undefined;
  const entries = Object.entries(file.model.vocab ?? {});
  const added = file.added_tokens ?? [];
  const size = Math.max(-1, ...entries.map(([, id]) => id), ...added.map(({ id }) => id)) + 1;
  const bytes = new Uint32Array(size);
  // A byte-level token is written with one character for each of its bytes.
  for (const [token, id] of entries) bytes[id] = [...token].length;
  for (const { id, content, special } of added) bytes[id] = special ? 0 : Buffer.byteLength(content);
  return bytes;
}

const byteLevel = (part: Part | null | undefined): boolean =>
  part?.type === 'ByteLevel' || (part?.decoders?.some(byteLevel) ?? false);
