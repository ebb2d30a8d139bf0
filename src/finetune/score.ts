/** A fine-tuned run and other examples in, its scores on them out: accuracy, F1 and the confusion matrix, or BLEU. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { MillraceError } from '../errors.ts';
import { classifyTexts } from '../generate/classify.ts';
import { EncoderSession } from '../generate/encoder.ts';
import { openWithTokenizer } from '../generate/open.ts';
import { Translator } from '../generate/translate.ts';
import { bleu } from '../metrics/bleu.ts';
import { classification } from '../metrics/classification.ts';
import type { Watch } from '../progress.ts';
import { readLabelled, readTextPairs } from './examples.ts';
import { type FinetuneRecipe, finetuneSchema } from './recipe.ts';

/** What `scoreFinetuned` takes. */
export interface ScoreOptions extends Watch {
  /** Run folder of a fine-tuning. */
  run: string;
  /** Globs of examples, as the recipe's `data.train`. */
  files: string[];
  threads?: number | undefined;
}

/** Accuracy, F1 and the confusion matrix, or BLEU. */
export type Scores = Record<string, unknown>;

/**
 * @example
 * const { accuracy } = await scoreFinetuned({ run: 'runs/sentiment', files: ['test.jsonl'] });
 * @throws `input` where the folder is of another kind of run, or a label is none of the model's.
 */
export async function scoreFinetuned({ run, files, ...options }: ScoreOptions): Promise<Scores> {
  const { task, data, max_length: limit } = await recipeOf(run);
  if (task === 'chat') {
    throw new MillraceError('input', `${run} was taught to answer: there are no scores of that`, {
      hint: 'its validation loss is in metrics.jsonl',
    });
  }
  const { pretrained, tokenizer } = await openWithTokenizer({ checkpoint: run });
  try {
    if (task === 'translate') {
      const pairs = await readTextPairs(files, data.fields);
      const translator = await Translator.open(pretrained, tokenizer, { maxNewTokens: limit, ...options });
      const hypotheses = await translator.translate(
        pairs.map(({ source }) => source),
        options,
      );
      const { score } = bleu({ hypotheses, references: pairs.map(({ target }) => [target]) });
      return { bleu: score, pairs: pairs.length };
    }
    const examples = await readLabelled(files, data.fields);
    const labels = pretrained.labels ?? [];
    const unknown = examples.find(({ label }) => !labels.includes(label));
    if (unknown) {
      throw new MillraceError('input', `the model has no class ${JSON.stringify(unknown.label)}`, {
        hint: `its classes: ${labels.join(', ')}`,
      });
    }
    const session = await EncoderSession.open(pretrained, tokenizer, options);
    const texts = examples.map(({ text, pair }) => (pair === undefined ? text : ([text, pair] as const)));
    const given = await classifyTexts(session, { texts, ...options });
    const numbers = (of: { label: string }[]) => of.map(({ label }) => labels.indexOf(label));
    return { ...classification(numbers(examples), numbers(given), labels) };
  } finally {
    await pretrained.weights.close();
  }
}

async function recipeOf(run: string): Promise<FinetuneRecipe> {
  const text = await readFile(join(run, 'config.yaml'), 'utf8').catch(() => '');
  const recipe = finetuneSchema.safeParse(parse(text));
  if (recipe.success) return recipe.data;
  throw new MillraceError('input', `${run} is not the folder of a fine-tuning (no recipe in config.yaml)`, {
    hint: 'name the run folder of `millrace finetune`, or leave the examples out',
  });
}
