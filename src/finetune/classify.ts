/** Labelled texts or pairs and a BERT or GPT in, a task that trains a class head out, scored on the held-out ones. */
import { MillraceError } from '../errors.ts';
import { classifyTexts } from '../generate/classify.ts';
import { EncoderSession } from '../generate/encoder.ts';
import { classification } from '../metrics/classification.ts';
import { openPretrained } from '../pretrained/open.ts';
import { type LabelledText, readLabelled } from './examples.ts';
import { type Collated, masks, matrix, padded, rowSource } from './rows.ts';
import { holdOut, isHead, type Task, type TaskContext, withLora } from './task.ts';

interface Row {
  ids: ArrayLike<number>;
  typeIds: ArrayLike<number>;
  label: number;
}

export async function classifyTask(context: TaskContext): Promise<Task> {
  const { recipe, pretrained, tokenizer, limit } = context;
  const { config: base } = pretrained;
  if (base.family !== 'bert' && base.family !== 'gpt') {
    throw new MillraceError('config', `a model of the family ${base.family} gets no class head`, {
      hint: 'use a BERT or a GPT',
    });
  }
  if (recipe.lambda > 0 && base.family !== 'gpt') {
    throw new MillraceError('config', 'lambda weighs the language model of a GPT', { hint: 'leave it out' });
  }
  const { fields, train, validation, validation_share: share } = recipe.data;
  const all = await readLabelled(train, fields);
  const held = validation ? { train: all, validation: await readLabelled(validation, fields) } : holdOut(all, share);
  const labels = [...new Set(held.train.map(({ label }) => label))].sort();
  const unknown = held.validation.find(({ label }) => !labels.includes(label));
  if (unknown) throw new MillraceError('input', `the label ${unknown.label} is in the validation examples alone`);
  if (labels.length < 2) throw new MillraceError('input', 'the training examples have one label');

  const encode = (examples: LabelledText[]) => examples.map((example) => encodeRow(example, context, labels));
  const pad = pretrained.roles.pad ?? tokenizer.specialTokens.pad ?? 0;
  const withClasses = { ...base, head: 'classify' as const, num_labels: labels.length };
  const source = {
    train: encode(held.train),
    validation: encode(held.validation),
    batchSize: recipe.training.batch_size,
    seed: recipe.training.seed,
    lengths: ({ ids }: Row) => [ids.length],
    collate: (rows: Row[]) => collate(rows, { pad, limit, lambda: recipe.lambda }),
  };
  return {
    config: withLora(withClasses, recipe),
    data: rowSource(source),
    // A model of masked tokens alone was not trained to pool its first token.
    fresh: (name) => isHead(name) || name.startsWith('bert.pooler.'),
    options: { attentionMask: true, ...(recipe.lambda > 0 && { lambda: recipe.lambda }) },
    labels,
    async score(checkpoint) {
      const trained = await openPretrained({ path: checkpoint, vocab: pretrained.tokenizer });
      const session = await EncoderSession.open(trained, tokenizer);
      await trained.weights.close();
      const texts = held.validation.map(({ text, pair }) => (pair === undefined ? text : ([text, pair] as const)));
      const given = await classifyTexts(session, { texts });
      const index = (label: string) => labels.indexOf(label);
      return {
        ...classification(
          held.validation.map(({ label }) => index(label)),
          given.map(({ label }) => index(label)),
          labels,
        ),
      };
    },
  };
}

function encodeRow({ text, pair, label }: LabelledText, context: TaskContext, labels: string[]): Row {
  const { pretrained, tokenizer, limit } = context;
  const row = { label: labels.indexOf(label) };
  if (pretrained.config.family === 'bert') {
    const options = { truncation: { maxLength: limit }, padding: false } as const;
    const { ids, typeIds } = tokenizer.encode(text, pair === undefined ? options : { ...options, pair });
    return { ids, typeIds, ...row };
  }
  // GPT: the texts end with the end token, between them and behind them; its last one is where the class is read.
  const end = tokenizer.specialTokens.eos;
  const tail = end === undefined ? [] : [end];
  const ids = [text, ...(pair === undefined ? [] : [pair])].flatMap((part) => [...tokenizer.ids(part), ...tail]);
  const cut = ids.length > limit ? [...ids.slice(0, limit - tail.length), ...tail] : ids;
  return { ids: cut, typeIds: new Int32Array(cut.length), ...row };
}

function collate(rows: Row[], { pad, limit, lambda }: { pad: number; limit: number; lambda: number }): Collated {
  const seqLen = padded(
    rows.map(({ ids }) => ids.length),
    limit,
  );
  const ids = rows.map((row) => row.ids);
  return {
    shape: { batchSize: rows.length, seqLen },
    feeds: {
      input_ids: matrix(ids, seqLen, pad),
      token_type_ids: matrix(
        rows.map(({ typeIds }) => typeIds),
        seqLen,
        0,
      ),
      attention_mask: masks(ids, seqLen),
      labels: Int32Array.from(rows, ({ label }) => label),
      ...(lambda > 0 && {
        lm_labels: matrix(
          ids.map((row) => Array.from(row).slice(1)),
          seqLen,
          -100,
        ),
      }),
    },
  };
}
