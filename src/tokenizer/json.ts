/** The parts of a tokenizer.json that extending and pruning read and write; what else it holds stays as it is. */

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
