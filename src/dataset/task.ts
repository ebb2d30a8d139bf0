/** What a user says about a task in, the request that the native crate takes out: every default is here. */

export type Pack = 'best-fit' | 'concat' | 'none';

/** How tokens are masked. Defaults are BERT's. */
export interface MaskingOptions {
  /** Share of the tokens chosen. Default 0.15. */
  probability?: number | undefined;
  /** At most so many a row. Default: what the probability chooses in a full row. */
  maxPredictions?: number | undefined;
  /** `dynamic`: afresh in each epoch. `static`: drawn when the dataset is built and stored. */
  masking?: 'dynamic' | 'static' | undefined;
  /** Choose whole words of the pre-tokenizer; a Chinese character is one. Default false. */
  wholeWord?: boolean | undefined;
  /** Choose runs of up to so many words. Default 1. */
  ngram?: number | undefined;
}

/** Pairs of sentences (BERT, ALBERT), masked as well. */
export interface PairOptions extends MaskingOptions {
  /** Share of documents whose pairs are shorter than a row. Default 0.1. */
  shortProbability?: number | undefined;
  /** How often each document is gone through, with other cuts, pairs and masks. Default 1 (BERT's script: 10). */
  dupeFactor?: number | undefined;
  /** `text` (default): found in English and Chinese text. `lines`: every line is one. */
  sentences?: 'text' | 'lines' | undefined;
}

/** What the rows are for, with the options that this task has. */
export type TaskOptions =
  | {
      kind: 'causal';
      pack?: Pack | undefined;
      /** Put the vocabulary's begin token before each document. Default false. */
      bos?: boolean | undefined;
      /** Put the end token after each document. Default true. */
      eos?: boolean | undefined;
    }
  | ({ kind: 'mlm'; pack?: Pack | undefined } & MaskingOptions)
  | ({ kind: 'nsp' } & PairOptions)
  | ({ kind: 'sop' } & PairOptions)
  | {
      /** T5's span corruption: needs `<extra_id_0>`, ... in the vocabulary. */
      kind: 'span';
      /** Share of the tokens hidden. Default 0.15. */
      density?: number | undefined;
      /** Tokens of a hidden span on average. Default 3. */
      meanLength?: number | undefined;
      masking?: 'dynamic' | 'static' | undefined;
    }
  | {
      /** Fields: source, target. */
      kind: 'seq2seq';
      /** Tokens of a target. Default `seqLen`, which is that of a source. */
      targetLen?: number | undefined;
      /** Role of the decoder's first token. Default: `bos`, where there is none `pad`, else `eos`. */
      start?: 'bos' | 'pad' | 'eos' | undefined;
    }
  | {
      /** Fields: text, class; or text, second text, class. */
      kind: 'classify';
      /** Names of the classes in the order of their numbers. Default: those that occur, sorted. */
      classes?: string[] | undefined;
      /** Two texts a row. Default false. */
      pair?: boolean | undefined;
    }
  | {
      /** Field: messages (`[{role, content}]`); or two fields, prompt and completion. */
      kind: 'chat';
      pack?: Pack | undefined;
      /** Written before each message, `{role}` filled in. Default ChatML's. */
      prefix?: string | undefined;
      /** Written after each message; a target where the assistant speaks. */
      suffix?: string | undefined;
      bos?: boolean | undefined;
      eos?: boolean | undefined;
    };

export const TASKS = ['causal', 'mlm', 'nsp', 'sop', 'span', 'seq2seq', 'classify', 'chat'] as const;

export function taskRequest(task: TaskOptions, seqLen: number): object {
  const { kind } = task;
  switch (task.kind) {
    case 'causal':
      return { kind, pack: task.pack ?? 'best-fit', bos: task.bos ?? false, eos: task.eos ?? true };
    case 'mlm':
      return { kind, pack: task.pack ?? 'best-fit', masking: masking(task, 'dynamic') };
    case 'nsp':
    case 'sop':
      return {
        kind,
        masking: masking(task, 'static'),
        shortProbability: task.shortProbability ?? 0.1,
        dupeFactor: task.dupeFactor ?? 1,
        lines: task.sentences === 'lines',
      };
    case 'span':
      return {
        kind,
        density: task.density ?? 0.15,
        meanLength: task.meanLength ?? 3,
        fixed: task.masking === 'static',
      };
    case 'seq2seq':
      return { kind, targetLen: task.targetLen ?? seqLen, start: task.start ?? null };
    case 'classify':
      return { kind, classes: task.classes ?? null, pair: task.pair ?? false };
    case 'chat':
      return {
        kind,
        pack: task.pack ?? 'best-fit',
        prefix: task.prefix ?? '<|im_start|>{role}\n',
        suffix: task.suffix ?? '<|im_end|>\n',
        bos: task.bos ?? false,
        eos: task.eos ?? true,
      };
  }
}

function masking(options: MaskingOptions, usual: 'dynamic' | 'static'): object {
  return {
    probability: options.probability ?? 0.15,
    maxPredictions: options.maxPredictions ?? null,
    fixed: (options.masking ?? usual) === 'static',
    wholeWord: options.wholeWord ?? false,
    ngram: options.ngram ?? 1,
  };
}
