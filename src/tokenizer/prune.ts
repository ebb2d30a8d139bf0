/** A vocabulary, and text that tells which tokens are used, in; a smaller vocabulary and the ids that it kept out. */
import { resolve } from 'node:path';
import { writeWhole } from '../atomic.ts';
import { MillraceError } from '../errors.ts';
import type { Watch } from '../progress.ts';
import { Heap } from './heap.ts';
import { pairOf, plainTokens, readJson, type TokenizerJson, writeJson } from './json.ts';
import { countUses } from './uses.ts';

/** What `pruneVocab` takes. */
export interface PruneVocabOptions extends Watch {
  /** Folder or file of the vocabulary. */
  dir: string;
  /** Entries afterwards at most, added tokens and alphabet counted. */
  vocabSize: number;
  /** Paths and globs of text: the tokens used least in it go first. Without, the newest. */
  files?: string[] | undefined;
  /** Folder for tokenizer.json and kept_ids.json. */
  out: string;
}

/** What is left, and which ids were kept. */
export interface PrunedVocab {
  path: string;
  size: number;
  removed: number;
  /** The old id of each new id, as in kept_ids.json: which rows of an embedding to keep. */
  kept: number[];
}

/**
 * Takes the least used tokens out of a BPE or WordPiece vocabulary, and closes the gaps in the ids. Added tokens and the
 * alphabet stay. Of BPE only tokens go that no other merge needs; their uses then count for their two parts.
 *
 * @example
 * const { kept } = await pruneVocab({ dir: 'vocab', files: ['corpus/*.txt'], vocabSize: 8000, out: 'small' });
 */
export async function pruneVocab(options: PruneVocabOptions): Promise<PrunedVocab> {
  const { tokenizer, file } = await readJson(options.dir);
  const { type, vocab, continuing_subword_prefix: prefix } = file.model;
  if (type !== 'BPE' && type !== 'WordPiece') {
    throw new MillraceError('config', `a vocabulary with model: type ${type} can't be pruned`);
  }
  const ids = new Set([...Object.values(vocab), ...(file.added_tokens ?? []).map(({ id }) => id)]);
  const wanted = options.vocabSize;
  if (!Number.isInteger(wanted) || wanted < 1 || wanted >= ids.size) {
    throw new MillraceError('config', `vocabSize: ${wanted} is not less than the ${ids.size} entries there are`);
  }
  const { uses } = options.files?.length
    ? await countUses(tokenizer, options.files, options)
    : { uses: new Float64Array(tokenizer.vocabSize) };
  const tokens = plainTokens(file);
  const removed =
    type === 'BPE'
      ? unusedMerges(tokens, vocab, (file.model.merges ?? []).map(pairOf), uses, ids.size - wanted)
      : unusedPieces(tokens, vocab, prefix ?? '##', uses, ids.size - wanted);
  if (ids.size - removed.size > wanted) {
    throw new MillraceError('config', `a vocabulary of ${wanted} can't hold added tokens and alphabet`, {
      hint: `use a size of ${ids.size - removed.size} or more`,
    });
  }
  const kept = [...ids].filter((id) => !removed.has(id)).sort((a, b) => a - b);
  renumber(file, new Map(kept.map((old, id) => [old, id])));
  const path = await writeJson(options.out, file);
  await writeWhole(resolve(options.out, 'kept_ids.json'), JSON.stringify(kept));
  return { path, size: kept.length, removed: removed.size, kept };
}

/** Of two tokens with equal uses the newer one goes first. */
const order = (uses: Float64Array) => (a: number, b: number) => uses[a]! - uses[b]! || b - a;

function unusedPieces(
  tokens: string[],
  vocab: Record<string, number>,
  prefix: string,
  uses: Float64Array,
  excess: number,
): Set<number> {
  const bare = (token: string) => (token.startsWith(prefix) ? token.slice(prefix.length) : token);
  const long = tokens.filter((token) => [...bare(token)].length > 1).map((token) => vocab[token]!);
  return new Set(long.sort(order(uses)).slice(0, excess));
}

function unusedMerges(
  tokens: string[],
  vocab: Record<string, number>,
  merges: [string, string][],
  uses: Float64Array,
  excess: number,
): Set<number> {
  // The first merge that makes a token says what it falls into; how many merges need a token says whether it may go.
  const needed = new Int32Array(uses.length);
  const needs: [number, number, number][] = merges.map(([left, right]) => [
    vocab[left]!,
    vocab[right]!,
    vocab[left + right]!,
  ]);
  const makers = new Map<number, [number, number][]>();
  for (const [left, right, made] of needs) {
    const all = makers.get(made);
    if (all) all.push([left, right]);
    else makers.set(made, [[left, right]]);
    needed[left]!++;
    needed[right]!++;
  }
  const heap = new Heap(order(uses));
  for (const token of tokens) {
    const id = vocab[token]!;
    if (needed[id] === 0 && makers.has(id)) heap.push(id);
  }
  const removed = new Set<number>();
  while (removed.size < excess) {
    const id = heap.pop();
    if (id === undefined) break;
    removed.add(id);
    const pairs = makers.get(id)!;
    for (const part of pairs[0]!) uses[part]! += uses[id]!;
    for (const part of pairs.flat()) {
      needed[part]!--;
      if (needed[part] === 0 && makers.has(part) && !removed.has(part)) heap.push(part);
    }
  }
  return removed;
}

/** Gives every id its new number, and drops what has none. */
function renumber(file: TokenizerJson, numbers: Map<number, number>): void {
  const entries = Object.entries(file.model.vocab).filter(([, id]) => numbers.has(id));
  file.model.vocab = Object.fromEntries(entries.map(([token, id]) => [token, numbers.get(id)!]));
  if (file.model.merges) {
    const left = new Set(Object.keys(file.model.vocab));
    file.model.merges = file.model.merges.map(pairOf).filter((pair) => left.has(pair.join('')));
  }
  for (const token of file.added_tokens ?? []) token.id = numbers.get(token.id)!;
  renumberIn(file.post_processor, numbers);
}

/** The ids in a template (`ids`) and in BERT's and RoBERTa's own processors (`["[CLS]", 101]`). */
function renumberIn(part: unknown, numbers: Map<number, number>): void {
  if (typeof part !== 'object' || part === null) return;
  for (const [key, value] of Object.entries(part)) {
    if (key === 'ids' && Array.isArray(value))
      value.forEach((id, i) => {
        value[i] = numbers.get(id) ?? id;
      });
    else if ((key === 'cls' || key === 'sep') && Array.isArray(value)) value[1] = numbers.get(value[1]) ?? value[1];
    else renumberIn(value, numbers);
  }
}
