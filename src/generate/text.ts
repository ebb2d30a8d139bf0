/**
 * Prompts in ids in, text in pieces out: the tokens of every row become text as they come, a stop string ends its row,
 * and whoever listens sees no half characters and nothing that may still turn out to be a stop string.
 */
import { MillraceError } from '../errors.ts';
import type { Watch } from '../progress.ts';
import type { DecodeStream } from '../tokenizer/options.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { Decoder, Lengths, Sampling } from './decoder.ts';

export interface TextOptions extends Sampling, Lengths, Watch {
  decoder: Decoder;
  tokenizer: Tokenizer;
  /** One row a prompt. Encoder-decoders: the first tokens of the decoder; the sources were encoded before. */
  prompts: ArrayLike<number>[];
  /** Texts that end a row; they are not part of it. */
  stop?: string[] | undefined;
  /** Gets each row's text as it grows. */
  onText?: ((text: string, row: number) => void) | undefined;
  /** The decoder has encoded sources and is ready: don't start it anew. */
  started?: boolean | undefined;
}

export interface Continuation {
  /** What came after the prompt. */
  text: string;
  /** The tokens of `text`, end token and a stop string's included. */
  tokens: number[];
  /** `end`: an end token. `stop`: a stop string. `length`: no more tokens were asked for, or there was no more room. */
  reason: 'end' | 'stop' | 'length';
}

/** How often text is handed on. */
const MILLISECONDS = 40;

export async function generateText(options: TextOptions): Promise<Continuation[]> {
  const { decoder, tokenizer, prompts, stop = [], end = [], onText, signal, onProgress } = options;
  if (stop.includes('')) throw new MillraceError('config', 'an empty stop string would end every text at once');
  if (!options.started) decoder.start(prompts.length);
  await decoder.prompt(prompts, options);
  const rows = prompts.map((_, row) => new Row(tokenizer.decodeStream(), stop, (text) => onText?.(text, row)));
  for (let ended = false; !ended; ) {
    if (signal?.aborted) throw new MillraceError('cancelled', 'generating was cancelled');
    const more = await decoder.advance(MILLISECONDS);
    more.rows.forEach((tokens, i) => {
      const row = rows[i]!;
      if (!row.reason && row.push(tokens, end)) decoder.end(i);
    });
    const done = Math.max(...rows.map(({ tokens }) => tokens.length));
    onProgress?.({ phase: 'generate', done, total: options.maxNewTokens, unit: 'tokens' });
    ended = more.ended || rows.every(({ reason }) => reason);
  }
  return rows.map((row) => row.finish());
}

class Row {
  readonly tokens: number[] = [];
  reason: Continuation['reason'] | undefined;
  private readonly stream: DecodeStream;
  private readonly stop: string[];
  private readonly emit: (text: string) => void;
  private text = '';
  private shown = 0;

  constructor(stream: DecodeStream, stop: string[], emit: (text: string) => void) {
    this.stream = stream;
    this.stop = stop;
    this.emit = emit;
  }

  /** True once a stop string has come. */
  push(tokens: Uint32Array, end: number[]): boolean {
    for (const token of tokens) {
      this.tokens.push(token);
      if (end.includes(token)) {
        this.reason = 'end';
        break;
      }
      this.text += this.stream.push(token);
      if (this.cut()) break;
    }
    this.show(this.reason ? this.text.length : this.text.length - this.undecided());
    return this.reason === 'stop';
  }

  finish(): Continuation {
    if (this.reason !== 'stop') {
      this.text += this.stream.finish();
      this.cut();
    }
    this.show(this.text.length);
    return { text: this.text, tokens: this.tokens, reason: this.reason ?? 'length' };
  }

  /** Cuts the text before the first stop string. */
  private cut(): boolean {
    const at = Math.min(...this.stop.map((text) => this.text.indexOf(text, this.shown)).filter((found) => found >= 0));
    if (!Number.isFinite(at)) return false;
    this.text = this.text.slice(0, at);
    this.reason = 'stop';
    return true;
  }

  /** Length of the longest end of the text that a stop string begins with. */
  private undecided(): number {
    const longest = Math.max(0, ...this.stop.map(({ length }) => length - 1));
    for (let length = Math.min(longest, this.text.length); length > 0; length--) {
      const tail = this.text.slice(-length);
      if (this.stop.some((text) => text.startsWith(tail))) return length;
    }
    return 0;
  }

  private show(to: number): void {
    if (to <= this.shown) return;
    this.emit(this.text.slice(this.shown, to));
    this.shown = to;
  }
}
