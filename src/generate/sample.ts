/** A language model and prompts in, their continuations out. */
import { MillraceError } from '../errors.ts';
import type { Watch } from '../progress.ts';
import type { Lengths, Sampling } from './decoder.ts';
import { contextOf, type GeneratorOptions, loadDecoder, openWithTokenizer } from './open.ts';
import { type Continuation, generateText } from './text.ts';

/** What `sample` takes. */
export interface SampleOptions extends GeneratorOptions, Sampling, Watch, Partial<Lengths> {
  /** One text, or several that are continued side by side; empty: the model begins. */
  prompt?: string | string[] | undefined;
  /** Continuations of each prompt; each draws on its own. */
  samples?: number | undefined;
  /** Texts that end a continuation. */
  stop?: string[] | undefined;
  /** Gets the text as it grows; `row` counts prompts and samples: prompt p's sample s is row p * samples + s. */
  onText?: ((text: string, row: number) => void) | undefined;
}

/** The continuations, and how fast they came. */
export interface SampleResult {
  /** The first continuation, without its prompt. */
  text: string;
  continuations: (Continuation & { prompt: string; promptTokens: number[] })[];
  /** Seconds from the prompt to the last token, and tokens a second over all rows. */
  seconds: number;
  tokensPerSecond: number;
}

/**
 * @example
 * const { text } = await sample({ checkpoint: 'runs/quickstart', prompt: 'Call me', temperature: 0.8, topK: 50 });
 */
export async function sample(options: SampleOptions): Promise<SampleResult> {
  const { prompt = '', samples = 1, maxNewTokens = 100 } = options;
  const texts = (typeof prompt === 'string' ? [prompt] : prompt).flatMap((text) => Array<string>(samples).fill(text));
  const { pretrained, tokenizer } = await openWithTokenizer(options);
  try {
    const { roles, model } = pretrained;
    if (model.decodeProgram && pretrained.config.family !== 'llama' && pretrained.config.family !== 'gpt') {
      throw new MillraceError('config', 'an encoder-decoder translates, it does not continue', {
        hint: 'use translate',
      });
    }
    const first = roles.bos ?? tokenizer.specialTokens.bos ?? roles.eos?.[0] ?? tokenizer.specialTokens.eos;
    const prompts = texts.map((text) => {
      const ids = tokenizer.ids(text);
      if (ids.length > 0) return ids;
      if (first !== undefined) return Int32Array.of(first);
      throw new MillraceError(
        'input',
        'an empty prompt needs a token that begins a text, and the vocabulary has none',
        {
          hint: 'give a prompt',
        },
      );
    });
    const longest = Math.max(...prompts.map(({ length }) => length));
    const context = contextOf(pretrained) ?? longest + maxNewTokens;
    if (longest >= context) {
      throw new MillraceError('input', `the prompt has ${longest} tokens, the model's context ${context}`, {
        hint: 'shorten the prompt',
      });
    }
    const capacity = Math.min(context, longest + maxNewTokens);
    const decoder = await loadDecoder(pretrained, { capacity, threads: options.threads });
    const end = options.end ?? roles.eos ?? present(tokenizer.specialTokens.eos);
    const start = performance.now();
    const continuations = await generateText({ ...options, decoder, tokenizer, prompts, maxNewTokens, end });
    const seconds = (performance.now() - start) / 1000;
    const tokens = continuations.reduce((sum, row) => sum + row.tokens.length, 0);
    return {
      text: continuations[0]?.text ?? '',
      continuations: continuations.map((row, i) => ({
        prompt: texts[i]!,
        promptTokens: Array.from(prompts[i]!),
        ...row,
      })),
      seconds,
      tokensPerSecond: tokens / seconds,
    };
  } finally {
    await pretrained.weights.close();
  }
}

const present = <T>(value: T | undefined): T[] => (value === undefined ? [] : [value]);
