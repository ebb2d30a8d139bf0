/** An encoder-decoder and source texts in, target texts out, in the order of the sources. */
import { MillraceError } from '../errors.ts';
import type { Pretrained } from '../pretrained/open.ts';
import type { Watch } from '../progress.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type BeamOptions, beamSearch } from './beam.ts';
import type { Decoder } from './decoder.ts';
import { contextOf, type GeneratorOptions, loadDecoder, openWithTokenizer } from './open.ts';

/** What `translate` takes. */
export interface TranslateOptions extends GeneratorOptions, TranslatorOptions {
  texts: string[];
}

export interface TranslatorOptions extends Watch {
  /** 1, the default, is greedy. */
  beams?: number | undefined;
  lengthPenalty?: number | undefined;
  earlyStopping?: boolean | undefined;
  /** Tokens of a target at most. Default 128, or the model's context. */
  maxNewTokens?: number | undefined;
  /** Sources decoded side by side. Default 32. */
  batchSize?: number | undefined;
}

/**
 * @example
 * const [english] = await translate({ checkpoint: 'runs/de-en', texts: ['Ein Mann schläft.'], beams: 4 });
 */
export async function translate(options: TranslateOptions): Promise<string[]> {
  return (await translations(options)).map(({ text }) => text);
}

/** A translation with the tokens on both sides. */
export interface Translation {
  text: string;
  /** What the encoder has read, and the decoder, whose first token is the start token. */
  source: number[];
  target: number[];
}

/** The same with the tokens. */
export async function translations(options: TranslateOptions): Promise<Translation[]> {
  const { pretrained, tokenizer } = await openWithTokenizer(options);
  try {
    const translator = await Translator.open(pretrained, tokenizer, options);
    return await translator.run(options.texts, options);
  } finally {
    await pretrained.weights.close();
  }
}

/** A model that is loaded once and translates often. */
export class Translator {
  private readonly decoder: Decoder;
  private readonly tokenizer: Tokenizer;
  private readonly tokens: TargetTokens;
  private readonly places: number;

  private constructor(decoder: Decoder, tokenizer: Tokenizer, tokens: TargetTokens, places: number) {
    this.decoder = decoder;
    this.tokenizer = tokenizer;
    this.tokens = tokens;
    this.places = places;
  }

  static async open(
    pretrained: Pretrained,
    tokenizer: Tokenizer,
    { maxNewTokens = 128, threads }: { maxNewTokens?: number | undefined; threads?: number | undefined } = {},
  ): Promise<Translator> {
    const tokens = targetTokens(pretrained, tokenizer);
    const places = contextOf(pretrained) ?? 512;
    const decoder = await loadDecoder(pretrained, {
      capacity: Math.min(places, maxNewTokens + 1),
      sourcePlaces: places,
      threads,
    });
    return new Translator(decoder, tokenizer, tokens, places);
  }

  /** Texts to texts; a source longer than the model's context is cut there. */
  async translate(texts: string[], options: TranslatorOptions = {}): Promise<string[]> {
    return (await this.run(texts, options)).map(({ text }) => text);
  }

  async run(texts: string[], options: TranslatorOptions = {}): Promise<Translation[]> {
    const sources = texts.map((text) => this.source(text));
    const found = await translateTokens({ ...options, decoder: this.decoder, tokens: this.tokens, sources });
    return found.map((tokens, i) => ({
      text: this.tokenizer.decode(tokens),
      source: sources[i]!,
      target: [this.tokens.start, ...tokens],
    }));
  }

  /** A text's tokens, with the end token that the encoder has seen in training. */
  private source(text: string): number[] {
    const end = this.tokens.end[0]!;
    const ids = [...this.tokenizer.ids(text)].slice(0, this.places - 1);
    return ids.at(-1) === end ? ids : [...ids, end];
  }
}

export interface TargetTokens {
  /** The decoder's first. */
  start: number;
  end: number[];
  /** Never said. */
  suppress: number[];
}

export interface TranslateTokensOptions extends TranslatorOptions {
  decoder: Decoder;
  tokens: TargetTokens;
  sources: ArrayLike<number>[];
}

/** Source tokens in, target tokens out, the end token left out. */
export async function translateTokens(options: TranslateTokensOptions): Promise<number[][]> {
  const { decoder, tokens, sources, beams = 1, batchSize = 32, signal, onProgress } = options;
  const maxNewTokens = Math.min(options.maxNewTokens ?? 128, decoder.capacity - 1);
  // Sources of like length go together, so that little is padding.
  const order = sources.map((_, i) => i).sort((a, b) => sources[a]!.length - sources[b]!.length);
  const results: number[][] = Array(sources.length);
  for (let at = 0; at < order.length; at += batchSize) {
    if (signal?.aborted) throw new MillraceError('cancelled', 'translating was cancelled');
    const chosen = order.slice(at, at + batchSize);
    const prompts = chosen.map(() => [tokens.start]);
    const rows = chosen.map((i) => sources[i]!);
    await decoder.encode(rows, beams);
    const common = { decoder, prompts, maxNewTokens, ...tokens };
    const found = beams === 1 ? await greedy(common) : await best({ ...options, ...common, beams });
    found.forEach((said, row) => {
      results[chosen[row]!] = said.filter((token) => !tokens.end.includes(token));
    });
    const done = Math.min(at + batchSize, order.length);
    onProgress?.({ phase: 'translate', done, total: order.length, unit: 'rows' });
  }
  return results;
}

async function best(options: BeamOptions): Promise<number[][]> {
  return (await beamSearch(options)).map(([first]) => first?.tokens ?? []);
}

interface GreedyOptions {
  decoder: Decoder;
  prompts: number[][];
  maxNewTokens: number;
  end: number[];
  suppress: number[];
}

async function greedy({ decoder, prompts, ...options }: GreedyOptions): Promise<number[][]> {
  await decoder.prompt(prompts, { ...options, temperature: 0 });
  const rows: number[][] = prompts.map(() => []);
  for (let ended = false; !ended; ) {
    const more = await decoder.advance(1000);
    more.rows.forEach((tokens, i) => {
      rows[i]!.push(...tokens);
    });
    ended = more.ended;
  }
  return rows;
}

export function targetTokens({ config, roles }: Pretrained, tokenizer: Tokenizer): TargetTokens {
  if (config.family !== 'marian' && config.family !== 'transformer') {
    throw new MillraceError('config', `a model of the family ${config.family} does not translate`, {
      hint: 'use an encoder-decoder; sample continues a prompt',
    });
  }
  const { bos, eos, pad } = tokenizer.specialTokens;
  const start = roles.decoderStart ?? roles.bos ?? bos ?? roles.pad ?? pad;
  const end = roles.eos ?? (eos === undefined ? [] : [eos]);
  if (start === undefined || end.length === 0) {
    throw new MillraceError('input', 'the model does not say with which token a translation begins and ends', {
      hint: 'give decoder_start_token_id and eos_token_id in config.json',
    });
  }
  // A row of padding must never be said; where it is also the first token, it still may not come again.
  const padding = roles.pad ?? pad;
  return { start, end, suppress: padding === undefined || end.includes(padding) ? [] : [padding] };
}
