/** An encoder-decoder and source texts in, target texts out, in the order of the sources. */
import { MillraceError } from '../errors.ts';
import type { Pretrained } from '../pretrained/open.ts';
import type { Watch } from '../progress.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { beamSearch } from './beam.ts';
import type { Decoder } from './decoder.ts';
import { contextOf, type GeneratorOptions, loadDecoder, openWithTokenizer } from './open.ts';

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
  const { pretrained, tokenizer } = await openWithTokenizer(options);
  try {
    const translator = await Translator.open(pretrained, tokenizer, options);
    return await translator.translate(options.texts, options);
  } finally {
    await pretrained.weights.close();
  }
}

/** A model that is loaded once and translates often. */
export class Translator {
  readonly decoder: Decoder;
  private readonly tokenizer: Tokenizer;
  private readonly start: number;
  private readonly end: number[];
  private readonly suppress: number[];
  private readonly places: number;

  private constructor(decoder: Decoder, tokenizer: Tokenizer, tokens: Tokens, places: number) {
    this.decoder = decoder;
    this.tokenizer = tokenizer;
    this.start = tokens.start;
    this.end = tokens.end;
    this.suppress = tokens.suppress;
    this.places = places;
  }

  static async open(
    pretrained: Pretrained,
    tokenizer: Tokenizer,
    { maxNewTokens = 128, threads }: { maxNewTokens?: number | undefined; threads?: number | undefined } = {},
  ): Promise<Translator> {
    const tokens = tokensOf(pretrained, tokenizer);
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
    const sources = texts.map((text) => this.source(text));
    const found = await this.decode(sources, options);
    return found.map((tokens) => this.tokenizer.decode(tokens));
  }

  /** A text's tokens, with the end token that the encoder has seen in training. */
  source(text: string): number[] {
    const end = this.end[0]!;
    const ids = [...this.tokenizer.ids(text)].slice(0, this.places - 1);
    return ids.at(-1) === end ? ids : [...ids, end];
  }

  /** Source tokens to target tokens, the end token left out. */
  async decode(sources: number[][], options: TranslatorOptions = {}): Promise<number[][]> {
    const { beams = 1, batchSize = 32, signal, onProgress } = options;
    const maxNewTokens = Math.min(options.maxNewTokens ?? 128, this.decoder.capacity - 1);
    // Sources of like length go together, so that little is padding.
    const order = sources.map((_, i) => i).sort((a, b) => sources[a]!.length - sources[b]!.length);
    const results: number[][] = Array(sources.length);
    for (let at = 0; at < order.length; at += batchSize) {
      if (signal?.aborted) throw new MillraceError('cancelled', 'translating was cancelled');
      const chosen = order.slice(at, at + batchSize);
      const prompts = chosen.map(() => [this.start]);
      await this.decoder.encode(
        chosen.map((i) => sources[i]!),
        beams,
      );
      const found =
        beams === 1
          ? await this.greedy(prompts, maxNewTokens)
          : (
              await beamSearch({
                ...options,
                decoder: this.decoder,
                prompts,
                beams,
                maxNewTokens,
                end: this.end,
                suppress: this.suppress,
              })
            ).map(([best]) => best?.tokens ?? []);
      found.forEach((tokens, row) => {
        results[chosen[row]!] = tokens.filter((token) => !this.end.includes(token));
      });
      onProgress?.({
        phase: 'translate',
        done: Math.min(at + batchSize, order.length),
        total: order.length,
        unit: 'rows',
      });
    }
    return results;
  }

  private async greedy(prompts: number[][], maxNewTokens: number): Promise<number[][]> {
    await this.decoder.prompt(prompts, { temperature: 0, maxNewTokens, end: this.end, suppress: this.suppress });
    const rows: number[][] = prompts.map(() => []);
    for (let ended = false; !ended; ) {
      const more = await this.decoder.advance(1000);
      more.rows.forEach((tokens, i) => {
        rows[i]!.push(...tokens);
      });
      ended = more.ended;
    }
    return rows;
  }
}

interface Tokens {
  start: number;
  end: number[];
  suppress: number[];
}

function tokensOf({ config, roles }: Pretrained, tokenizer: Tokenizer): Tokens {
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
