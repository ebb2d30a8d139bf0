/** A byte-level BPE tokenizer.json in, the tokenizer's keys of a GGUF file out. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../errors.ts';
import type { TokenRoles } from '../pretrained/config.ts';
import type { GgufValue } from './gguf_file.ts';

interface TokenizerJson {
  added_tokens?: { id: number; content: string; special: boolean }[];
  normalizer?: unknown;
  pre_tokenizer?: PreTokenizer | null;
  model?: { type?: string; vocab?: Record<string, number>; merges?: (string | [string, string])[] };
}

interface PreTokenizer {
  type?: string;
  use_regex?: boolean;
  add_prefix_space?: boolean;
  pattern?: { Regex?: string };
  pretokenizers?: PreTokenizer[];
}

/** llama.cpp knows the splits by name; telling it a wrong one would change the ids silently. */
const SPLITS: [RegExp, string][] = [
  [/^\(\?i:'s\|'t\|'re/, 'llama-bpe'],
  [/\\p\{Lu\}\\p\{Lt\}/, 'gpt-4o'],
  [/^'s\|'t\|'re\|'ve/, 'gpt-2'],
];
const [NORMAL, CONTROL, USER_DEFINED, UNUSED] = [1, 3, 4, 5];

export interface GgufTokenizerOptions {
  /** tokenizer.json, or its folder. */
  path: string;
  roles: TokenRoles;
  /** Rows of the embedding: tokens beyond the vocabulary are named and marked unused. */
  size: number;
}

/** @throws `config` for tokenizers that the format can't say. */
export async function ggufTokenizer({ path, roles, size }: GgufTokenizerOptions): Promise<[string, GgufValue][]> {
  const file = (await stat(path)).isDirectory() ? join(path, 'tokenizer.json') : path;
  const {
    added_tokens: added = [],
    model,
    pre_tokenizer: split,
    normalizer,
  } = JSON.parse(await readFile(file, 'utf8')) as TokenizerJson;
  const pre = splitName(split);
  if (model?.type !== 'BPE' || !model.vocab || !pre || normalizer) {
    throw new MillraceError('config', `${file}: GGUF takes a byte-level BPE split as GPT-2, LLaMA 3 or o200k do`, {
      hint: 'export as hf or onnx, or train the vocabulary with --split gpt2',
    });
  }
  const tokens = Array.from({ length: size }, (_, id) => `[UNUSED${id}]`);
  const types = Array<number>(size).fill(UNUSED);
  const known = [...Object.values(model.vocab), ...added.map(({ id }) => id)];
  if (known.some((id) => id >= size)) {
    throw new MillraceError('input', `${file} has more tokens than the ${size} rows of the model`, {
      hint: 'it is of another model',
    });
  }
  for (const [token, id] of Object.entries(model.vocab)) {
    tokens[id] = token;
    types[id] = NORMAL;
  }
  for (const { id, content, special } of added) {
    tokens[id] = content;
    types[id] = special ? CONTROL : USER_DEFINED;
  }
  const merges = (model.merges ?? []).map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')));
  const ids: [string, number | undefined][] = [
    ['bos', roles.bos],
    ['eos', roles.eos?.[0]],
    ['padding', roles.pad],
  ];
  return [
    ['tokenizer.ggml.model', { string: 'gpt2' }],
    ['tokenizer.ggml.pre', { string: pre }],
    ['tokenizer.ggml.tokens', { strings: tokens }],
    ['tokenizer.ggml.token_type', { i32s: types }],
    ['tokenizer.ggml.merges', { strings: merges }],
    ...ids.flatMap(([role, id]): [string, GgufValue][] =>
      id === undefined ? [] : [[`tokenizer.ggml.${role}_token_id`, { u32: id }]],
    ),
    // Our models begin a text without a token of its own.
    ['tokenizer.ggml.add_bos_token', { bool: false }],
    ['tokenizer.ggml.add_eos_token', { bool: false }],
  ];
}

function splitName(split: PreTokenizer | null | undefined): string | undefined {
  if (!split || split.add_prefix_space) return undefined;
  if (split.type === 'ByteLevel') return split.use_regex === false ? undefined : 'gpt-2';
  const [first, second, ...rest] = split.pretokenizers ?? [];
  if (split.type !== 'Sequence' || first?.type !== 'Split' || second?.type !== 'ByteLevel' || rest.length > 0)
    return undefined;
  return SPLITS.find(([pattern]) => pattern.test(first.pattern?.Regex ?? ''))?.[1];
}
