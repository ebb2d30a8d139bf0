/** Pairs of texts and an encoder-decoder in, a task that trains it to turn sources into targets out, scored by BLEU. */
import { MillraceError } from '../errors.ts';
import { Translator, targetTokens } from '../generate/translate.ts';
import { bleu } from '../metrics/bleu.ts';
import { openPretrained } from '../pretrained/open.ts';
import { readTextPairs, type TextPair } from './examples.ts';
import { collatePairs, type Pair, pairLengths } from './pairs.ts';
import { rowSource } from './rows.ts';
import { holdOut, type Task, type TaskContext, withLora } from './task.ts';

/** BLEU is measured on at most so many pairs. */
const SCORED = 500;

export async function translateTask({ recipe, pretrained, tokenizer, limit }: TaskContext): Promise<Task> {
  if (recipe.update === 'head') throw new MillraceError('config', 'update: head is for class heads');
  const { start, end, suppress } = targetTokens(pretrained, tokenizer);
  const { fields, train, validation, validation_share: share } = recipe.data;
  const all = await readTextPairs(train, fields);
  const held = validation ? { train: all, validation: await readTextPairs(validation, fields) } : holdOut(all, share);
  const side = (text: string) => {
    const ids = [...tokenizer.ids(text)].slice(0, limit - 1);
    return ids.at(-1) === end[0] ? ids : [...ids, end[0]!];
  };
  const encode = (pairs: TextPair[]): Pair[] =>
    pairs.map(({ source, target }) => ({ source: side(source), target: side(target) }));
  const pad = pretrained.roles.pad ?? tokenizer.specialTokens.pad ?? suppress[0] ?? start;
  return {
    config: withLora(pretrained.config, recipe),
    fresh: (name) => name === 'final_logits_bias',
    data: rowSource({
      train: encode(held.train),
      validation: encode(held.validation),
      batchSize: recipe.training.batch_size,
      seed: recipe.training.seed,
      lengths: pairLengths,
      collate: collatePairs({ start, pad, limit }),
    }),
    async score(checkpoint) {
      const trained = await openPretrained({ path: checkpoint, vocab: pretrained.tokenizer });
      const translator = await Translator.open(trained, tokenizer, { maxNewTokens: limit });
      await trained.weights.close();
      const pairs = held.validation.slice(0, SCORED);
      const hypotheses = await translator.translate(pairs.map(({ source }) => source));
      const { score } = bleu({ hypotheses, references: pairs.map(({ target }) => [target]) });
      return { bleu: score, pairs: pairs.length };
    },
  };
}
