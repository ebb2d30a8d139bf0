/** A vocabulary in, a tokenizer out: text to ids and back, exact to Hugging Face's tokenizers, off the event loop for batches. */
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { NativeEncodeOptions, NativeImport, NativeTokenizer } from '#native';
import { writeWhole } from '../atomic.ts';
import { MillraceError } from '../errors.ts';
import { callNative, fromNative, runNative } from '../native.ts';
import type { Watch } from '../progress.ts';
import { Encoding } from './encoding.ts';
import { encodingOf, readVocabFiles } from './files.ts';
import type {
  AddedToken,
  Batch,
  BatchOptions,
  DecodeStream,
  EncodeOptions,
  LoadOptions,
  Padding,
  SpecialTokens,
} from './options.ts';

/** A vocabulary that is loaded: text to ids and back. */
export class Tokenizer {
  readonly #native: NativeTokenizer;
  readonly specialTokens: Readonly<SpecialTokens>;

  private constructor(inner: NativeTokenizer) {
    this.#native = inner;
    this.specialTokens = Object.freeze(present(inner.roles));
  }

  /**
   * Loads a vocabulary: a tokenizer.json, vocab.txt, vocab.json (merges.txt beside it), ranks of tiktoken, a sentencepiece
   * model of the BPE kind, or a folder that holds one. Throws `input` naming the file and the key or line that is wrong.
   *
   * @example
   * const tokenizer = await Tokenizer.load('vocab');
   * tokenizer.encode('Call me Ishmael.').ids;
   */
  static async load(path: string, options: LoadOptions = {}): Promise<Tokenizer> {
    const files = await readVocabFiles(path);
    try {
      const [first] = files.contents;
      if (files.form === 'tokenizer.json' && first) return await Tokenizer.fromJson(first);
      const known = files.form === 'tiktoken' && !options.split ? encodingOf(files.path) : { split: '', special: {} };
      const special = Object.entries(options.special ?? known.special);
      const from: NativeImport = {
        format: files.form,
        files: files.contents,
        lowercase: options.lowercase ?? true,
        split: options.split ?? known.split,
        special: special.map(([token]) => token),
        specialIds: special.map(([, id]) => id),
      };
      return new Tokenizer(await callNative((native) => native.importTokenizer(from)));
    } catch (thrown) {
      const error = fromNative(thrown);
      if (!(error instanceof MillraceError) || error.message.startsWith(files.path)) throw error;
      throw new MillraceError(error.code, `${files.path}: ${error.message}`, {
        cause: error,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
  }

  /** Writes the vocabulary into a folder, in any form that can hold it. Returns the paths. */
  async save(
    folder: string,
    options: { form?: 'tokenizer.json' | 'vocab.txt' | 'gpt2' | 'tiktoken' } = {},
  ): Promise<string[]> {
    try {
      const files = await this.#native.toFiles(options.form ?? 'tokenizer.json');
      await mkdir(folder, { recursive: true });
      for (const { name, bytes } of files) await writeWhole(join(folder, name), bytes);
      return files.map(({ name }) => join(folder, name));
    } catch (error) {
      throw fromNative(error);
    }
  }

  /** The vocabulary as the text of a tokenizer.json. */
  async toJson(): Promise<string> {
    try {
      const [file] = await this.#native.toFiles('tokenizer.json');
      return new TextDecoder().decode(file!.bytes);
    } catch (error) {
      throw fromNative(error);
    }
  }

  /** From the text of a tokenizer.json, or the object it stands for. */
  static async fromJson(json: Uint8Array | string | object): Promise<Tokenizer> {
    const text = typeof json === 'string' || json instanceof Uint8Array ? json : JSON.stringify(json);
    const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
    try {
      return new Tokenizer(await callNative((native) => native.loadTokenizer(bytes)));
    } catch (error) {
      throw fromNative(error);
    }
  }

  /** One more than the largest id: the rows that an embedding needs. */
  get vocabSize(): number {
    return this.#native.vocabSize;
  }

  /** The added tokens with their ids and flags. */
  get addedTokens(): AddedToken[] {
    return this.#native.addedTokens;
  }

  tokenToId(token: string): number | undefined {
    return this.#native.tokenToId(token) ?? undefined;
  }

  idToToken(id: number): string | undefined {
    return id >= 0 ? (this.#native.idToToken(id) ?? undefined) : undefined;
  }

  /** A text, or a pair of texts, with offsets, words and masks. */
  encode(text: string, options: EncodeOptions & { pair?: string } = {}): Encoding {
    const found = callNative(() => this.#native.encode(text, options.pair, this.#options(options)));
    return new Encoding(found, (id) => this.idToToken(id));
  }

  /** The ids alone, the fastest way for one text. */
  ids(text: string, options: { addSpecialTokens?: boolean } = {}): Int32Array {
    return callNative(() => this.#native.ids(text, options.addSpecialTokens ?? true));
  }

  /** Many texts, or pairs, with offsets, words and masks, padded as one batch. */
  async encodeAll(
    texts: readonly string[] | readonly (readonly [string, string])[],
    options: EncodeOptions & Watch & { threads?: number } = {},
  ): Promise<Encoding[]> {
    const first = texts.map((text) => (typeof text === 'string' ? text : text[0]));
    const second = texts.flatMap((text) => (typeof text === 'string' ? [] : [text[1]]));
    const found = await runNative(
      (_, task) => this.#native.encodeAll(first, second, this.#options(options), threads(options.threads), task),
      { ...options, phase: 'encode', unit: 'documents' },
    );
    return found.map((columns) => new Encoding(columns, (id) => this.idToToken(id)));
  }

  /**
   * The ids of many texts in one array, on all cores, with the event loop free. Truncation and padding stay out.
   *
   * @example
   * const { ids, offsets } = await tokenizer.encodeBatch(documents);
   * const third = ids.subarray(offsets[2], offsets[3]);
   */
  async encodeBatch(texts: readonly string[], options: BatchOptions = {}): Promise<Batch> {
    const list = texts as string[];
    const special = options.addSpecialTokens ?? true;
    const found = await runNative(
      (_, task) => this.#native.encodeBatch(list, special, threads(options.threads), task),
      { ...options, phase: 'encode', unit: 'bytes' },
    );
    const { length } = found;
    const { into } = options;
    const ids = into && found.copyIds(into) ? into.subarray(0, length) : found.takeIds();
    return { ids, offsets: found.takeOffsets() };
  }

  /** Ids to text. An id that the vocabulary lacks throws `input`. */
  decode(ids: readonly number[] | Int32Array, options: { skipSpecialTokens?: boolean } = {}): string {
    return callNative(() => this.#native.decode(toArray(ids), options.skipSpecialTokens ?? true));
  }

  decodeStream(options: { skipSpecialTokens?: boolean } = {}): DecodeStream {
    const stream = this.#native.stream(options.skipSpecialTokens ?? true);
    return {
      push: (ids) => callNative(() => stream.push(toArray(typeof ids === 'number' ? [ids] : ids))),
      finish: () => callNative(() => stream.finish()),
    };
  }

  #options(options: EncodeOptions): NativeEncodeOptions {
    const truncation = options.truncation ?? this.#native.truncation ?? false;
    const padding = options.padding ?? this.#native.padding ?? false;
    const set: NativeEncodeOptions = {
      addSpecialTokens: options.addSpecialTokens ?? true,
      specialAsText: options.specialAsText ?? false,
      offsets: options.offsets ?? 'utf16',
      seed: options.seed ?? 0,
    };
    if (truncation) {
      const { maxLength, stride = 0, strategy = 'longest-first' } = truncation;
      set.truncation = {
        maxLength: whole(maxLength, 'truncation.maxLength'),
        stride,
        strategy,
        left: left(truncation),
      };
    }
    if (padding) {
      const given: Padding = padding === true ? {} : padding;
      const id = given.id ?? this.specialTokens.pad ?? 0;
      const typeId = given.typeId ?? 0;
      set.padding = { id, typeId, token: this.idToToken(id) ?? '', left: left(given) };
      if (given.length !== undefined) set.padding.length = whole(given.length, 'padding.length');
      if (given.multipleOf !== undefined) set.padding.multipleOf = whole(given.multipleOf, 'padding.multipleOf');
    }
    return set;
  }
}

const threads = (wanted: number | undefined) => wanted ?? availableParallelism();

function left(side: { direction?: 'left' | 'right'; left?: boolean }): boolean {
  return side.direction === undefined ? (side.left ?? false) : side.direction === 'left';
}

function whole(value: number, name: string): number {
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 24) return value;
  throw new MillraceError('config', `${name}: must be a whole number from 0 to 16777215, not ${value}`);
}

function toArray(ids: readonly number[] | Int32Array): Int32Array {
  if (ids instanceof Int32Array) return ids;
  const bad = ids.find((id) => !Number.isInteger(id) || id < 0 || id > 0x7fffffff);
  if (bad !== undefined) throw new MillraceError('input', `${bad} is not an id`);
  return Int32Array.from(ids);
}

function present<T extends object>(roles: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const set = Object.entries(roles).filter(([, id]) => id !== null && id !== undefined);
  return Object.fromEntries(set) as { [K in keyof T]?: NonNullable<T[K]> };
}
