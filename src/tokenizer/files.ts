/** Where a vocabulary lies in, its files' contents and their form out: tokenizer.json, vocab.txt, vocab.json with merges.txt, tiktoken ranks, sentencepiece. */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MillraceError } from '../errors.ts';

/** `gpt2` is vocab.json with merges.txt beside it. */
export type VocabForm = 'tokenizer.json' | 'vocab.txt' | 'gpt2' | 'tiktoken' | 'sentencepiece';

export interface VocabFiles {
  form: VocabForm;
  /** The file that was asked for, for messages. */
  path: string;
  contents: Uint8Array[];
}

/** What tiktoken knows by name: the split, and the special tokens that stand outside the ranks. */
const ENCODINGS: Record<string, { split: string; special: Record<string, number> }> = {
  r50k_base: { split: 'gpt2', special: { '<|endoftext|>': 50256 } },
  p50k_base: { split: 'gpt2', special: { '<|endoftext|>': 50256 } },
  cl100k_base: {
    split: 'cl100k',
    special: {
      '<|endoftext|>': 100257,
      '<|fim_prefix|>': 100258,
      '<|fim_middle|>': 100259,
      '<|fim_suffix|>': 100260,
      '<|endofprompt|>': 100276,
    },
  },
  o200k_base: { split: 'o200k', special: { '<|endoftext|>': 199999, '<|endofprompt|>': 200018 } },
};

/** The split and special tokens of a file of ranks, told by its name (`cl100k_base.tiktoken`). Throws `config` for others. */
export function encodingOf(path: string): { split: string; special: Record<string, number> } {
  const found = ENCODINGS[basename(path).replace(/\.tiktoken$/, '')];
  if (found) return found;
  throw new MillraceError('config', `${path}: which split do these ranks belong to?`, {
    hint: `name the file after one of ${Object.keys(ENCODINGS).join(', ')}, or give split and special`,
  });
}

/** Finds the files of a vocabulary in a folder, or by the name of one of them, and reads them. Throws `io` and `input`. */
export async function readVocabFiles(path: string): Promise<VocabFiles> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new MillraceError('io', `${path}: ${cause.code === 'ENOENT' ? 'no such file or folder' : cause.message}`, {
      hint: 'give a tokenizer.json, or a folder that holds one',
      cause,
    });
  });
  if (!found.isDirectory()) return read(path, formOf(path));
  for (const name of ['tokenizer.json', 'vocab.json', 'vocab.txt', 'tokenizer.model']) {
    const file = join(path, name);
    if (await stat(file).catch(() => undefined)) return read(file, formOf(file));
  }
  throw new MillraceError('input', `${path}: there is no vocabulary in this folder`, {
    hint: 'it should hold tokenizer.json, vocab.json and merges.txt, vocab.txt, or tokenizer.model',
  });
}

function formOf(path: string): VocabForm {
  const name = basename(path);
  if (name.endsWith('.tiktoken')) return 'tiktoken';
  if (name.endsWith('.model')) return 'sentencepiece';
  if (name.endsWith('.txt')) return name.endsWith('merges.txt') ? 'gpt2' : 'vocab.txt';
  return name.endsWith('vocab.json') ? 'gpt2' : 'tokenizer.json';
}

async function read(path: string, form: VocabForm): Promise<VocabFiles> {
  const paths = form === 'gpt2' ? ['vocab.json', 'merges.txt'].map((name) => join(dirname(path), name)) : [path];
  const contents = await Promise.all(
    paths.map((file) =>
      readFile(file).catch((cause: Error) => {
        throw new MillraceError('io', `${file}: ${cause.message}`, { cause });
      }),
    ),
  );
  return { form, path, contents };
}
