/** What encoding a text or a pair gives: typed columns, one row a token, and the way from characters to tokens and words. */
import type { NativeEncoding } from '#native';

/** What offsets count: UTF-16 code units (as `string.slice` does), code points (as Python does) or bytes of UTF-8. */
export type OffsetUnit = 'utf16' | 'code-points' | 'bytes';

/** A text as tokens: ids, offsets, and which word each is of. */
export class Encoding {
  /** The columns as the native side gave them. */
  readonly #columns: NativeEncoding;
  readonly #token: (id: number) => string | undefined;

  constructor(columns: NativeEncoding, token: (id: number) => string | undefined) {
    this.#columns = columns;
    this.#token = token;
  }

  get length(): number {
    return this.ids.length;
  }

  get ids(): Int32Array {
    return this.#columns.ids;
  }

  get tokens(): string[] {
    return Array.from(this.ids, (id) => this.#token(id) ?? '');
  }

  /** 0 for the first text and 1 for the second, or what the template says. */
  get typeIds(): Int32Array {
    return this.#columns.typeIds;
  }

  /** Start and end of token i in its text: `offsets[2 * i]`, `offsets[2 * i + 1]`; 0, 0 for tokens of the template. */
  get offsets(): Uint32Array {
    return this.#columns.offsets;
  }

  /** The word (pre-token) of each token, counted within its text; null for tokens of the template and padding. */
  get wordIds(): (number | null)[] {
    return Array.from(this.#columns.wordIds, orNull);
  }

  /** The text (0 or 1) of each token; null for tokens of the template and padding. */
  get sequenceIds(): (number | null)[] {
    return Array.from(this.#columns.sequenceIds, orNull);
  }

  /** 1 for tokens of the template and padding. */
  get specialTokensMask(): Uint8Array {
    return this.#columns.specialTokensMask;
  }

  /** 0 for padding. */
  get attentionMask(): Uint8Array {
    return this.#columns.attentionMask;
  }

  /** What truncation cut off, in parts that share `stride` tokens. */
  get overflowing(): Encoding[] {
    return this.#columns.overflowing.map((part) => new Encoding(part, this.#token));
  }

  /** The range of token i in its text. */
  span(token: number): [start: number, end: number] | undefined {
    const { offsets } = this;
    return token in this.ids ? [offsets[2 * token] as number, offsets[2 * token + 1] as number] : undefined;
  }

  /** The first token that covers position `at` of text `sequence`. */
  tokenAt(at: number, sequence = 0): number | undefined {
    const { offsets, sequenceIds } = this.#columns;
    const found = sequenceIds.findIndex(
      (text, i) => text === sequence && (offsets[2 * i] as number) <= at && at < (offsets[2 * i + 1] as number),
    );
    return found < 0 ? undefined : found;
  }

  /** The tokens `[start, end)` of a word of text `sequence`. */
  tokensOfWord(word: number, sequence = 0): [start: number, end: number] | undefined {
    const { wordIds, sequenceIds } = this.#columns;
    const is = (_: number, i: number) => wordIds[i] === word && sequenceIds[i] === sequence;
    const start = wordIds.findIndex(is);
    return start < 0 ? undefined : [start, wordIds.findLastIndex(is) + 1];
  }
}

const orNull = (value: number) => (value < 0 ? null : value);
