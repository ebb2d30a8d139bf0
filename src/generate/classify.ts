/** A classifier and texts or pairs in, the class of each and its probabilities out. */
import { MillraceError } from '../errors.ts';
import type { Pretrained } from '../pretrained/open.ts';
import { type EncodedText, type EncoderOptions, EncoderSession, softmax } from './encoder.ts';
import { type GeneratorOptions, openWithTokenizer } from './open.ts';

/** What `classify` takes. */
export interface ClassifyOptions extends GeneratorOptions, EncoderOptions {
  texts: (string | readonly [string, string])[];
}

/** The class of a text, and the probability of each. */
export interface ClassifiedText {
  label: string;
  /** By label. */
  probabilities: Record<string, number>;
  /** What the model has read. */
  read: EncodedText;
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
  const { config } = session.pretrained;
  const { output, labels } = headOf(session.pretrained, options.texts);
  const classes = labels.length;
  const rows = await session.encode(options.texts);
  if (config.family === 'gpt') for (const row of rows) endRow(session, row);
  const results: ClassifiedText[] = Array(rows.length);
  for await (const { outputs, indices } of session.run(rows, options)) {
    indices.forEach((index, i) => {
      const shares = softmax(outputs[output]!.subarray(i * classes, (i + 1) * classes));
      const best = shares.indexOf(Math.max(...shares));
      results[index] = {
        label: labels[best]!,
        probabilities: Object.fromEntries(labels.map((label, k) => [label, shares[k]!])),
        read: rows[index]!,
      };
    });
  }
  return results;
}

/** A class head, or BERT's head for the order of sentences: label 0 means that the second text follows the first. */
function headOf({ config, labels }: Pretrained, texts: ClassifyOptions['texts']) {
  if ('head' in config && config.head === 'classify') {
    const names = Array.from({ length: config.num_labels ?? 2 }, (_, i) => `LABEL_${i}`);
    return { output: 'logits', labels: labels ?? names };
  }
  if (config.family !== 'bert' || config.head === 'maskedlm') {
    throw new MillraceError('config', 'this model has no head that classifies', { hint: 'fine-tune it first' });
  }
  if (texts.some((text) => typeof text === 'string')) {
    throw new MillraceError('input', 'a pre-trained BERT says whether the second text of a pair follows the first', {
      hint: 'give pairs, or fine-tune it first for classes of single texts',
    });
  }
  return { output: 'seq_relationship_logits', labels: ['next', 'random'] };
}

/** GPT reads the class at the end token, as in its fine-tuning. */
function endRow({ tokenizer, context }: EncoderSession, row: { ids: Int32Array; typeIds: Int32Array }): void {
  const end = tokenizer.specialTokens.eos;
  if (end === undefined || row.ids.at(-1) === end) return;
  row.ids = Int32Array.of(...row.ids.subarray(0, context - 1), end);
  row.typeIds = new Int32Array(row.ids.length);
}
