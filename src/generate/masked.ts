/** A pre-trained BERT and texts in: what a [MASK] hides, whether one sentence follows another, and vectors out. */
import { MillraceError } from '../errors.ts';
import { classifyTexts } from './classify.ts';
import { type EncoderOptions, EncoderSession, softmax } from './encoder.ts';
import { type GeneratorOptions, openWithTokenizer } from './open.ts';

/** A token that may stand behind a [MASK]. */
export interface Filling {
  /** Which [MASK] of the text, from 0. */
  mask: number;
  token: string;
  id: number;
  probability: number;
}

/** The `k` likeliest tokens of each [MASK] of each text, best first. */
export async function fillMask(
  session: EncoderSession,
  { texts, k = 5, ...options }: EncoderOptions & { texts: string[]; k?: number | undefined },
): Promise<Filling[][]> {
  const { mask } = session.tokenizer.specialTokens;
  if (mask === undefined) throw new MillraceError('config', 'the vocabulary has no [MASK] token');
  const rows = await session.encode(texts);
  const lost = rows.findIndex(({ ids }) => !ids.includes(mask));
  if (lost >= 0) throw new MillraceError('input', `there is no [MASK] in ${JSON.stringify(texts[lost])}`);
  const width = session.pretrained.config.vocab_size;
  const results: Filling[][] = Array(rows.length);
  for await (const { outputs, indices, texts: batch, seqLen } of session.run(rows, options)) {
    indices.forEach((index, i) => {
      const places = [...batch[i]!.ids.keys()].filter((at) => batch[i]!.ids[at] === mask);
      results[index] = places.flatMap((at, number) => {
        const start = (i * seqLen + at) * width;
        const shares = softmax(outputs.logits!.subarray(start, start + width));
        const best = [...shares.keys()].sort((a, b) => shares[b]! - shares[a]!).slice(0, k);
        return best.map((id) => ({
          mask: number,
          id,
          token: session.tokenizer.idToToken(id) ?? '',
          probability: shares[id]!,
        }));
      });
    });
  }
  return results;
}

/** The probability that the second text of each pair follows the first (BERT's label 0). */
export async function nextSentence(
  session: EncoderSession,
  { pairs, ...options }: EncoderOptions & { pairs: (readonly [string, string])[] },
): Promise<number[]> {
  const { config } = session.pretrained;
  if (config.family !== 'bert' || (config.head ?? 'pretraining') !== 'pretraining') {
    throw new MillraceError('config', 'this model was not trained on the order of sentences');
  }
  const found = await classifyTexts(session, { ...options, texts: [...pairs] });
  return found.map(({ probabilities }) => probabilities.next!);
}

/** What `embed` takes. */
export interface EmbedOptions extends EncoderOptions {
  texts: string[];
  /** `mean` of the last layer over all tokens (default), or its first token, [CLS]. */
  pool?: 'mean' | 'cls' | undefined;
  /** To length 1; default true. */
  normalise?: boolean | undefined;
}

/** One vector [hidden size] a text. */
export async function embedTexts(session: EncoderSession, options: EmbedOptions): Promise<Float32Array[]> {
  const { texts, pool = 'mean', normalise = true } = options;
  const { config } = session.pretrained;
  if (config.family !== 'bert') throw new MillraceError('config', 'embeddings come from a BERT');
  const width = config.hidden_size;
  const results: Float32Array[] = Array(texts.length);
  for await (const { outputs, indices, texts: batch, seqLen } of session.run(await session.encode(texts), options)) {
    indices.forEach((index, i) => {
      const vector = new Float64Array(width);
      const count = pool === 'cls' ? 1 : batch[i]!.ids.length;
      for (let at = 0; at < count; at++)
        for (let d = 0; d < width; d++) vector[d]! += outputs.encoder![(i * seqLen + at) * width + d]! / count;
      const norm = normalise ? Math.hypot(...vector) : 1;
      results[index] = Float32Array.from(vector, (value) => value / (norm || 1));
    });
  }
  return results;
}

async function withSession<T>(options: GeneratorOptions, use: (session: EncoderSession) => Promise<T>): Promise<T> {
  const { pretrained, tokenizer } = await openWithTokenizer(options);
  try {
    return await use(await EncoderSession.open(pretrained, tokenizer, options));
  } finally {
    await pretrained.weights.close();
  }
}

/**
 * `fillMask` of a model that is opened for it.
 *
 * @example
 * const [[best]] = await fill({ checkpoint: 'runs/bert', texts: ['the white [MASK]'], k: 1 });
 */
export function fill(options: GeneratorOptions & Parameters<typeof fillMask>[1]): Promise<Filling[][]> {
  return withSession(options, (session) => fillMask(session, options));
}

/**
 * `embedTexts` of a model that is opened for it.
 *
 * @example
 * const [vector] = await embed({ checkpoint: 'runs/bert', texts: ['a whale'] });
 */
export function embed(options: GeneratorOptions & EmbedOptions): Promise<Float32Array[]> {
  return withSession(options, (session) => embedTexts(session, options));
}
