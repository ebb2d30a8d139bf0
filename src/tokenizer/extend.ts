/** A vocabulary and more text in, a larger vocabulary out: every token keeps its id, new ones follow. */
import { availableParallelism } from 'node:os';
import { MillraceError } from '../errors.ts';
import { runNative } from '../native.ts';
import { type Component, pairOf, plainTokens, readJson, type TokenizerJson, writeJson } from './json.ts';
import { OBJECTIVES, type Objective } from './train.ts';
import { count, type WordSources } from './words.ts';

/** What `extendVocab` takes. */
export interface ExtendVocabOptions extends WordSources {
  /** Folder or file of the vocabulary. */
  dir: string;
  /** Entries afterwards at most, those there are counted. */
  vocabSize: number;
  /** Default `frequency`. */
  objective?: Objective | undefined;
  /** Pairs seen less often are not merged. Default 2. */
  minFrequency?: number | undefined;
  maxTokenLength?: number | undefined;
  /** Folder for tokenizer.json. */
  out: string;
}

/** What an extension came to. */
export interface ExtendedVocab {
  path: string;
  /** Entries afterwards, and how many of them are new. */
  size: number;
  added: number;
  tokens: string[];
}

/**
 * Trains on from a vocabulary that exists, BPE or WordPiece: the text is cut into its tokens, and pairs of these are
 * merged until `vocabSize` is reached. Throws `config` where the vocabulary has a component that training doesn't know.
 *
 * @example
 * await extendVocab({ dir: 'vocab', files: ['medicine/*.txt'], vocabSize: 40000, out: 'vocab-medicine' });
 */
export async function extendVocab(options: ExtendVocabOptions): Promise<ExtendedVocab> {
  const { tokenizer, file } = await readJson(options.dir);
  const before = tokenizer.vocabSize;
  const more = options.vocabSize - before;
  if (!Number.isInteger(more) || more < 1) {
    throw new MillraceError(
      'config',
      `vocabSize: ${options.vocabSize} is not more than the ${before} entries there are`,
    );
  }
  const objective = options.objective ?? 'frequency';
  if (!OBJECTIVES.includes(objective)) {
    throw new MillraceError('config', `objective: one of ${OBJECTIVES.join(', ')}, not ${objective}`);
  }
  const { model, split, normalizer } = wayOf(file);
  const specialTokens = file.added_tokens?.map(({ content }) => content) ?? [];
  const tokens = plainTokens(file);
  const merges = (file.model.merges ?? []).map(pairOf);
  const counter = await count(options, { split, normalizer, specialTokens });
  const known = { tokens, left: merges.map(([left]) => left), right: merges.map(([, right]) => right) };
  const plan = {
    model,
    objective,
    sizes: [specialTokens.length + tokens.length + more],
    specialTokens,
    minFrequency: options.minFrequency ?? 2,
    lower: false,
    threads: options.threads ?? availableParallelism(),
    ...(file.model.unk_token ? { unknown: file.model.unk_token } : {}),
    ...(options.maxTokenLength === undefined ? {} : { maxTokenLength: options.maxTokenLength }),
  };
  const found = await runNative((_, task) => counter.extend(task, known, plan), {
    ...options,
    phase: 'merge',
    unit: 'merges',
  });
  const added = found.tokens.slice(specialTokens.length);
  const news = added.map((token, i): [string, number] => [token, before + i]);
  file.model.vocab = Object.fromEntries([...Object.entries(file.model.vocab), ...news]);
  if (file.model.merges) {
    file.model.merges = [...merges, ...found.left.map((left, i): [string, string] => [left, found.right[i]!])];
  }
  const path = await writeJson(options.out, file);
  return { path, size: before + added.length, added: added.length, tokens: added };
}

/** How the vocabulary makes words of text, in the terms of training. Throws `config` for what these can't say. */
function wayOf(file: TokenizerJson): { model: string; split: string; normalizer: string } {
  const { type } = file.model;
  const pre = file.pre_tokenizer;
  const parts = pre?.type === 'Sequence' ? (pre.pretokenizers as Component[]) : pre ? [pre] : [];
  const bytes = parts.at(-1)?.type === 'ByteLevel' ? parts.at(-1) : undefined;
  const other = parts.filter((part) => part !== bytes);
  if (type !== 'BPE' && type !== 'WordPiece') throw refusal(`model: type ${type}`);
  if (file.model.byte_fallback) throw refusal('model: byte_fallback');
  if (bytes?.add_prefix_space) throw refusal('pre_tokenizer: add_prefix_space');
  const split = other.length > 1 ? undefined : splitOf(other[0], bytes);
  if (split === undefined) throw refusal(`pre_tokenizer: ${other.map((part) => part.type).join(', ')}`);
  const normalizer = normalizerOf(file.normalizer);
  if (normalizer === undefined) throw refusal(`normalizer: ${file.normalizer?.type} with its options`);
  return { model: type === 'WordPiece' ? 'wordpiece' : bytes ? 'byte-level' : 'chars', split, normalizer };
}

const refusal = (what: string) =>
  new MillraceError('config', `a vocabulary with ${what} can't be extended`, {
    hint: 'BPE and WordPiece can be, with the splits and normalizers of vocab train',
  });

function splitOf(split: Component | undefined, bytes: Component | undefined): string | undefined {
  if (!split) return bytes && bytes.use_regex !== false ? 'gpt2' : 'none';
  if (split.type === 'BertPreTokenizer') return 'bert';
  const pattern = split.type === 'Split' ? (split.pattern as { Regex?: string }).Regex : undefined;
  return split.behavior === 'Isolated' && !split.invert ? pattern : undefined;
}

const NAMES: Record<string, string> = {
  NFC: 'nfc',
  NFD: 'nfd',
  NFKC: 'nfkc',
  NFKD: 'nfkd',
  Lowercase: 'lowercase',
  StripAccents: 'strip-accents',
};

function normalizerOf(component: Component | null | undefined): string | undefined {
  if (!component) return 'none';
  if (component.type === 'BertNormalizer') {
    const { clean_text, handle_chinese_chars, strip_accents, lowercase } = component;
    const usual = clean_text !== false && handle_chinese_chars !== false;
    if (!usual || (strip_accents ?? lowercase) !== lowercase) return undefined;
    return lowercase ? 'bert' : 'bert-cased';
  }
  const all = component.type === 'Sequence' ? (component.normalizers as Component[]) : [component];
  const names = all.map(({ type }) => NAMES[type]);
  return names.includes(undefined) ? undefined : names.join(',');
}
