/** A vocabulary, and text files to measure it on, in; figures out, as an object and as text. */
import type { Watch } from '../progress.ts';
import { Tokenizer } from './tokenizer.ts';
import { countUses } from './uses.ts';

export interface ShownVocab {
  size: number;
  special: string[];
  longest: string[];
  corpus?: {
    bytes: number;
    tokens: number;
    /** Text that the tokens stand for, on average. */
    bytesPerToken: number;
    /** Tokens of a word (what stands between white space). */
    fertility: number;
    /** Entries that never occur, and some of them. */
    unused: number;
    unusedExamples: string[];
    /** Share of tokens that are the unknown one. */
    unknown: number;
  };
}

/** Throws `input` and `io` where vocabulary or files can't be read. */
export async function showVocab(
  options: { dir: string; files?: string[] } & Watch,
): Promise<{ data: ShownVocab; text: string }> {
  const tokenizer = await Tokenizer.load(options.dir);
  const special = tokenizer.addedTokens.filter((token) => token.special).map(({ content }) => content);
  const tokens = Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.idToToken(id) ?? '');
  const longest = tokens
    .filter((token) => !special.includes(token))
    .sort((a, b) => [...b].length - [...a].length)
    .slice(0, 20);
  const data: ShownVocab = { size: tokenizer.vocabSize, special, longest };
  if (options.files?.length) data.corpus = await measure(tokenizer, tokens, special, options.files, options);
  const lines = [`${data.size} entries`, `special: ${special.join(' ')}`, `longest: ${longest.join(' ')}`];
  if (data.corpus) {
    const { bytes, tokens, bytesPerToken, fertility, unused, unusedExamples, unknown } = data.corpus;
    lines.push(
      `${bytes} bytes in ${tokens} tokens: ${bytesPerToken.toFixed(3)} bytes per token`,
      `fertility: ${fertility.toFixed(3)} tokens a word; unknown: ${(100 * unknown).toFixed(3)} %`,
      `unused: ${unused} (${unusedExamples.join(' ')})`,
    );
  }
  return { data, text: lines.join('\n') };
}

async function measure(tokenizer: Tokenizer, names: string[], special: string[], patterns: string[], watch: Watch) {
  const { uses, bytes, tokens, words } = await countUses(tokenizer, patterns, watch);
  const unused = names.filter((name, id) => uses[id] === 0 && !special.includes(name));
  const unknownId = tokenizer.specialTokens.unk;
  return {
    bytes,
    tokens,
    bytesPerToken: bytes / Math.max(1, tokens),
    fertility: tokens / Math.max(1, words),
    unused: unused.length,
    unusedExamples: unused.slice(0, 10),
    unknown: unknownId === undefined ? 0 : uses[unknownId]! / Math.max(1, tokens),
  };
}
