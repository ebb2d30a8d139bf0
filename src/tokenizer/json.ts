/** The parts of a tokenizer.json that extending and pruning read and write; what else it holds stays as it is. */
import { resolve } from 'node:path';
import { writeWhole } from '../atomic.ts';
import { Tokenizer } from './tokenizer.ts';

export interface TokenizerJson {
  added_tokens?: { id: number; content: string; special?: boolean }[];
  normalizer?: Component | null;
  pre_tokenizer?: Component | null;
  post_processor?: Component | null;
  model: {
    type: string;
    unk_token?: string | null;
    continuing_subword_prefix?: string | null;
    byte_fallback?: boolean;
    vocab: Record<string, number>;
    merges?: (string | [string, string])[];
  };
}

export interface Component {
  type: string;
  [option: string]: unknown;
}

/** A merge as a pair, however it is spelled. */
export function pairOf(merge: string | [string, string]): [string, string] {
  if (typeof merge !== 'string') return merge;
  const at = merge.indexOf(' ');
  return [merge.slice(0, at), merge.slice(at + 1)];
}

/** Tokens in the order of their ids, those of `added_tokens` left out. */
export function plainTokens(file: TokenizerJson): string[] {
  const added = new Set(file.added_tokens?.map(({ content }) => content));
  return Object.keys(file.model.vocab)
    .filter((token) => !added.has(token))
    .sort((a, b) => file.model.vocab[a]! - file.model.vocab[b]!);
}

/** A vocabulary of any form, loaded, and what a tokenizer.json says of it. */
export async function readJson(dir: string): Promise<{ tokenizer: Tokenizer; file: TokenizerJson }> {
  const tokenizer = await Tokenizer.load(dir);
  return { tokenizer, file: JSON.parse(await tokenizer.toJson()) as TokenizerJson };
}

/** Writes tokenizer.json into a folder; returns its path. */
export async function writeJson(folder: string, file: TokenizerJson): Promise<string> {
  const path = resolve(folder, 'tokenizer.json');
  await writeWhole(path, JSON.stringify(file));
  return path;
}
