/** A classifier and texts or pairs in, the class of each and its probabilities out. */
import { MillraceError } from '../errors.ts';
import { type EncoderOptions, EncoderSession, softmax } from './encoder.ts';
import { type GeneratorOptions, openWithTokenizer } from './open.ts';

export interface ClassifyOptions extends GeneratorOptions, EncoderOptions {
  texts: (string | readonly [string, string])[];
}

export interface ClassifiedText {
  label: string;
  /** By label. */
  probabilities: Record<string, number>;
}

/**
 * @example
 * const [{ label }] = await classify({ checkpoint: 'runs/sentiment', texts: ['this movie is great'] });
 */
export async function classify(options: ClassifyOptions): Promise<ClassifiedText[]> {
  const { pretrained, tokenizer } = await openWithTokenizer(options);
  try {
    const session = await EncoderSession.open(pretrained, tokenizer, options);
    return await classifyTexts(session, options);
  } finally {
    await pretrained.weights.close();
  }
}

/** The same with a model that is loaded already. */
export async function classifyTexts(
  session: EncoderSession,
  options: Pick<ClassifyOptions, 'texts'> & EncoderOptions,
): Promise<ClassifiedText[]> {
  const { config, labels: names } = session.pretrained;
  if (!('head' in config) || config.head !== 'classify') {
    throw new MillraceError('config', 'this model has no head that classifies', { hint: 'fine-tune it first' });
  }
  const classes = config.num_labels ?? 2;
  const labels = names ?? Array.from({ length: classes }, (_, i) => `LABEL_${i}`);
  const rows = await session.encode(options.texts);
  if (config.family === 'gpt') for (const row of rows) endRow(session, row);
  const results: ClassifiedText[] = Array(rows.length);
  for await (const { outputs, indices } of session.run(rows, options)) {
    indices.forEach((index, i) => {
      const shares = softmax(outputs.logits!.subarray(i * classes, (i + 1) * classes));
      const best = shares.indexOf(Math.max(...shares));
      results[index] = {
        label: labels[best]!,
        probabilities: Object.fromEntries(labels.map((label, k) => [label, shares[k]!])),
      };
    });
  }
  return results;
}

/** GPT reads the class at the end token, as in its fine-tuning. */
function endRow({ tokenizer, context }: EncoderSession, row: { ids: Int32Array; typeIds: Int32Array }): void {
  const end = tokenizer.specialTokens.eos;
  if (end === undefined || row.ids.at(-1) === end) return;
  row.ids = Int32Array.of(...row.ids.subarray(0, context - 1), end);
  row.typeIds = new Int32Array(row.ids.length);
}
