/**
 * A model's decoding graphs and weights in, next tokens out: prompts are read once, then every token costs one run over
 * the cache. Weights and caches stay in the runtime's memory.
 */
import { availableParallelism } from 'node:os';
import { MillraceError } from '../errors.ts';
import type { Model } from '../model/index.ts';
import { callNative, fromNative, type Native } from '../native.ts';
import { findRuntime } from '../train/library.ts';

type NativeDecoder = InstanceType<Native['NativeDecoder']>;

export interface DecoderOptions {
  model: Model;
  /** Tokens a row: prompt and continuation together. */
  capacity: number;
  /** Tokens a row of the source side, in encoder-decoders. */
  sourcePlaces?: number | undefined;
  threads?: number | undefined;
}

/** How a token is chosen, in the order in which it is applied; names and meaning are those of Hugging Face. */
export interface Sampling {
  /** Above 1: tokens that occurred, prompt included, become less likely. */
  repetitionPenalty?: number | undefined;
  /** 0: always the likeliest token. */
  temperature?: number | undefined;
  topK?: number | undefined;
  topP?: number | undefined;
  minP?: number | undefined;
  /** Tokens never chosen. */
  suppress?: number[] | undefined;
  /** The same seed, prompts and options give the same tokens. */
  seed?: number | undefined;
}

export interface Lengths {
  maxNewTokens: number;
  minNewTokens?: number | undefined;
  /** Tokens that end a row. */
  end?: number[] | undefined;
}

export interface Candidates {
  /** [rows, k], best first. */
  ids: Uint32Array;
  logProbs: Float32Array;
}

export class Decoder {
  readonly model: Model;
  readonly capacity: number;
  private readonly native: NativeDecoder;

  private constructor(native: NativeDecoder, model: Model, capacity: number) {
    this.native = native;
    this.model = model;
    this.capacity = capacity;
  }

  /** Weights at zero: fill them with `write`. @throws `config` where the model doesn't generate. */
  static create({ model, capacity, sourcePlaces, threads = availableParallelism() }: DecoderOptions): Decoder {
    if (!model.decodeProgram) {
      throw new MillraceError('config', `a model of the family ${model.family} does not generate text`, {
        hint: 'use a language model or an encoder-decoder',
      });
    }
    const sizes = sourcePlaces === undefined ? { capacity } : { capacity, sourcePlaces };
    const { step, encoder, ...spec } = model.decodeProgram(sizes);
    const shapes = model.parameters.map(({ name, shape }) => ({ name, shape }));
    const native = callNative(
      (n) => new n.NativeDecoder(findRuntime(), shapes, step, encoder ?? null, spec, threads, false),
    );
    return new Decoder(native, model, capacity);
  }

  write(name: string, values: Float32Array, start = 0): void {
    callNative(() => this.native.write(name, start, values));
  }

  /** Forgets what was read; the next prompts have so many rows. */
  start(rows: number): void {
    callNative(() => this.native.start(rows));
  }

  /** Reads source rows, padded here; each then serves `times` rows of the decoder. */
  async encode(sources: ArrayLike<number>[], times = 1): Promise<void> {
    const time = Math.max(0, ...sources.map(({ length }) => length));
    const ids = new Int32Array(sources.length * time);
    const mask = new Int32Array(sources.length * time);
    sources.forEach((source, row) => {
      ids.set(source, row * time);
      mask.fill(1, row * time, row * time + source.length);
    });
    await caught(() => this.native.encode(ids, mask, sources.length, times));
  }

  /** Reads prompts of all rows, or goes on with one token a row. */
  async read(prompts: ArrayLike<number>[]): Promise<void> {
    const time = Math.max(0, ...prompts.map(({ length }) => length));
    const ids = new Int32Array(prompts.length * time);
    prompts.forEach((prompt, row) => {
      ids.set(prompt, row * time);
    });
    await caught(() =>
      this.native.read(
        ids,
        Uint32Array.from(prompts, ({ length }) => length),
      ),
    );
  }

  /** Logits [rows, vocabulary] after the last token read. */
  logits(): Float32Array {
    return callNative(() => this.native.logits());
  }

  /** The likeliest next tokens of each row with their log-probabilities. */
  top(k: number, suppress: number[] = []): Candidates {
    return callNative(() => this.native.top(k, Uint32Array.from(suppress)));
  }

  /** Row i goes on from what row `from[i]` has read. */
  reorder(from: ArrayLike<number>): void {
    callNative(() => this.native.reorder(Uint32Array.from(from)));
  }

  /** Reads the prompts; `advance` then continues them. */
  async prompt(prompts: ArrayLike<number>[], options: Sampling & Lengths): Promise<void> {
    const lengths = Uint32Array.from(prompts, ({ length }) => length);
    const tokens = new Uint32Array(lengths.reduce((a, b) => a + b, 0));
    let at = 0;
    for (const prompt of prompts) {
      tokens.set(prompt, at);
      at += prompt.length;
    }
    const { topK, topP, minP } = options;
    await caught(() =>
      this.native.prompt(tokens, lengths, {
        temperature: options.temperature ?? 1,
        ...(topK !== undefined && { topK }),
        ...(topP !== undefined && { topP }),
        ...(minP !== undefined && { minP }),
        repetitionPenalty: options.repetitionPenalty ?? 1,
        suppress: options.suppress ?? [],
        seed: options.seed ?? 0,
        maxNewTokens: options.maxNewTokens,
        minNewTokens: options.minNewTokens ?? 0,
        end: options.end ?? [],
      }),
    );
  }

  /** Continues every row for about so long. The new tokens of each row, and whether all rows have ended. */
  async advance(milliseconds: number): Promise<{ rows: Uint32Array[]; ended: boolean }> {
    const { tokens, counts, ended } = await caught(() => this.native.advance(milliseconds));
    const rows: Uint32Array[] = [];
    let at = 0;
    for (const count of counts) {
      rows.push(tokens.subarray(at, at + count));
      at += count;
    }
    return { rows, ended };
  }

  /** Ends a row before its time. */
  end(row: number): void {
    this.native.end(row);
  }
}

async function caught<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromNative(error);
  }
}
