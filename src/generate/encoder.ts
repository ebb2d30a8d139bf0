/**
 * A BERT (or a classifying GPT) and texts in, what its layers say about them out: batches of like length through one
 * graph a shape. Classes, masked tokens, sentence order and embeddings are read from its outputs.
 */
import { MillraceError } from '../errors.ts';
import type { Pretrained } from '../pretrained/open.ts';
import type { Watch } from '../progress.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type Loaded, Session } from '../train/session.ts';
import { contextOf } from './open.ts';

export interface EncodedText {
  ids: Int32Array;
  typeIds: Int32Array;
}

export interface Forward {
  /** Rows side by side. */
  texts: EncodedText[];
  seqLen: number;
  outputs: Record<string, Float32Array>;
  /** Where these rows stand among all. */
  indices: number[];
}

export interface EncoderOptions extends Watch {
  batchSize?: number | undefined;
  /** Put out attention weights. */
  attentions?: boolean | undefined;
}

/** Lengths are rounded up to this, so that there are few graphs. */
const STEP = 16;

export class EncoderSession {
  readonly pretrained: Pretrained;
  readonly tokenizer: Tokenizer;
  private readonly session: Session;
  private readonly loaded = new Map<string, Promise<Loaded>>();

  private constructor(pretrained: Pretrained, tokenizer: Tokenizer, session: Session) {
    this.pretrained = pretrained;
    this.tokenizer = tokenizer;
    this.session = session;
  }

  static async open(
    pretrained: Pretrained,
    tokenizer: Tokenizer,
    { threads }: { threads?: number | undefined } = {},
  ): Promise<EncoderSession> {
    const { model, weights } = pretrained;
    const session = Session.create({ parameters: model.parameters, threads });
    await weights.each(model.parameters, (name, values, start) => session.write('weight', name, values, start));
    return new EncoderSession(pretrained, tokenizer, session);
  }

  get context(): number {
    return contextOf(this.pretrained) ?? 512;
  }

  /** Texts, or pairs of texts, with the tokens of the vocabulary's template, cut to the model's context. */
  async encode(texts: (string | readonly [string, string])[]): Promise<EncodedText[]> {
    const options = { truncation: { maxLength: this.context }, padding: false } as const;
    const rows: EncodedText[] = [];
    for (const text of texts) {
      const [first, pair] = typeof text === 'string' ? [text] : text;
      const { ids, typeIds } = this.tokenizer.encode(first!, pair === undefined ? options : { ...options, pair });
      if (ids.length === 0) throw new MillraceError('input', 'an empty text has no tokens');
      rows.push({ ids, typeIds });
    }
    return rows;
  }

  /** Runs all rows, those of like length together. */
  async *run(rows: EncodedText[], options: EncoderOptions = {}): AsyncGenerator<Forward> {
    const { batchSize = 16, attentions = false, signal, onProgress } = options;
    const order = rows.map((_, i) => i).sort((a, b) => rows[a]!.ids.length - rows[b]!.ids.length);
    for (let at = 0; at < order.length; at += batchSize) {
      if (signal?.aborted) throw new MillraceError('cancelled', 'it was cancelled');
      const indices = order.slice(at, at + batchSize);
      const texts = indices.map((i) => rows[i]!);
      const longest = Math.max(...texts.map(({ ids }) => ids.length));
      const seqLen = attentions ? longest : Math.min(this.context, Math.ceil(longest / STEP) * STEP);
      const fill = (part: (row: EncodedText) => Int32Array, value: number) => {
        const values = new Int32Array(texts.length * seqLen).fill(value);
        texts.forEach((row, i) => {
          values.set(part(row), i * seqLen);
        });
        return values;
      };
      const pad = this.pretrained.roles.pad ?? this.tokenizer.specialTokens.pad ?? 0;
      const loaded = await this.program(texts.length, seqLen, attentions);
      const outputs = await this.session.run(loaded, {
        input_ids: fill(({ ids }) => ids, pad),
        token_type_ids: fill(({ typeIds }) => typeIds, 0),
        attention_mask: fill(({ ids }) => new Int32Array(ids.length).fill(1), 0),
      });
      yield { texts, seqLen, indices, outputs: outputs as Record<string, Float32Array> };
      const done = Math.min(at + batchSize, order.length);
      onProgress?.({ phase: 'encode', done, total: order.length, unit: 'rows' });
    }
  }

  private program(batchSize: number, seqLen: number, attentions: boolean): Promise<Loaded> {
    const key = `${batchSize} ${seqLen} ${attentions}`;
    let found = this.loaded.get(key);
    if (!found) {
      const { model } = this.pretrained;
      const hidden = model.family === 'bert';
      const program = model.logitsProgram({ batchSize, seqLen, attentionMask: true, attentions, hidden });
      found = this.session.load(program);
      this.loaded.set(key, found);
    }
    return found;
  }
}

/** In place of logits their shares, e^x over the sum. */
export function softmax(logits: Float32Array): Float64Array {
  const top = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const weights = Float64Array.from(logits, (x) => Math.exp(x - top));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}
