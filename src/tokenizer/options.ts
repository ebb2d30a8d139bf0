/** What the methods of a tokenizer take, and what those that give no `Encoding` give. */
import type { Watch } from '../progress.ts';
import type { OffsetUnit } from './encoding.ts';

/** How a vocabulary is loaded. */
export interface LoadOptions {
  /** For tiktoken ranks: the split they belong to, a name or a regular expression. Default: told by the file's name. */
  split?: string;
  /** For tiktoken ranks: the special tokens that stand outside them. */
  special?: Record<string, number>;
  /** For vocab.txt: fold case and strip accents. Default true. */
  lowercase?: boolean;
}

/** How long texts are cut. */
export interface Truncation {
  /** Tokens at most, those of the template included. */
  maxLength: number;
  /** Tokens that each overflowing part repeats from the one before. Default 0. */
  stride?: number;
  /** Which text of a pair is cut. Default `longest-first`. */
  strategy?: 'longest-first' | 'only-first' | 'only-second';
  /** The side where tokens are cut off. Default `right`. */
  direction?: 'left' | 'right';
}

/** How rows are made equally long. */
export interface Padding {
  /** Pad to this many tokens; default: to the longest of the batch. */
  length?: number;
  /** Round the length up to a multiple of this. */
  multipleOf?: number;
  /** Default: the vocabulary's padding token, else 0. */
  id?: number;
  typeId?: number;
  direction?: 'left' | 'right';
}

/** How a text is encoded. */
export interface EncodeOptions {
  /** Add the tokens of the template, such as [CLS] and [SEP]. Default true. */
  addSpecialTokens?: boolean;
  /** Take special tokens that stand in the text for plain text. Default false. */
  specialAsText?: boolean;
  /** Default `utf16`. */
  offsets?: OffsetUnit;
  /** `false`: none. Default: what tokenizer.json says. */
  truncation?: Truncation | false;
  /** `true`: to the longest of the batch; `false`: none. Default: what tokenizer.json says. */
  padding?: Padding | boolean;
  /** Seed of BPE dropout, where the model has it. Default 0. */
  seed?: number;
}

/** How `encodeBatch` works. */
export interface BatchOptions extends Watch {
  /** Default true. */
  addSpecialTokens?: boolean;
  /** Default: all cores. */
  threads?: number;
  /** Where the ids go, if they fit: memory that is used again is faster than new. The result is a part of it then. */
  into?: Int32Array;
}

/** Text i has the ids `ids.subarray(offsets[i], offsets[i + 1])`. */
export interface Batch {
  ids: Int32Array;
  /** One more than there are texts. */
  offsets: Float64Array;
}

/** What the special tokens of a vocabulary are for, told by their names; the ids, where there are such tokens. */
export interface SpecialTokens {
  bos?: number;
  eos?: number;
  pad?: number;
  unk?: number;
  cls?: number;
  sep?: number;
  mask?: number;
}

/** A token that is found before the text is cut. */
export interface AddedToken {
  id: number;
  content: string;
  singleWord: boolean;
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
  special: boolean;
}

/** Text pieces from ids that come one by one. Characters that are not complete yet are held back. */
export interface DecodeStream {
  push(ids: number | readonly number[] | Int32Array): string;
  /** What was held back. */
  finish(): string;
}
