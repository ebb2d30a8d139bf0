/**
 * A checkpoint, examples and a recipe in, a run folder with the model trained further out: a class head, answers in
 * conversations, or translations; every weight, the head alone, or LoRA.
 */
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { writeWhole } from '../atomic.ts';
import { MillraceError } from '../errors.ts';
import { contextOf, openWithTokenizer } from '../generate/open.ts';
import { buildModel, countParameters, type Model } from '../model/index.ts';
import type { Pretrained } from '../pretrained/open.ts';
import type { Watch } from '../progress.ts';
import type { TrainEvent } from '../train/events.ts';
import { graphOptions } from '../train/model.ts';
import { writeSafetensors } from '../train/safetensors.ts';
import { Session } from '../train/session.ts';
import { type TrainResult, trainPrograms } from '../train/trainer.ts';
import { classifyTask } from './classify.ts';
import { instructTask } from './instruct.ts';
import type { FinetuneRecipe } from './recipe.ts';
import { type Task, type TaskContext, trainable, withDropout } from './task.ts';
import { translateTask } from './translate.ts';

/** What `finetune` takes. */
export interface FinetuneOptions extends Watch {
  recipe: FinetuneRecipe;
  /** `auto`: go on from the newest checkpoint of `recipe.out`. */
  resume?: string | undefined;
  threads?: number | undefined;
  maxSteps?: number | undefined;
  onEvent?: ((event: TrainEvent) => void) | undefined;
}

/** How training ended, what learnt, and the scores on examples kept back. */
export interface FinetuneResult extends TrainResult {
  /** All, and those that learnt. */
  parameters: number;
  trained: number;
  /** Accuracy, F1 and the confusion matrix, or BLEU, on the held-out examples. */
  scores?: Record<string, unknown>;
}

const TASKS: Record<FinetuneRecipe['task'], (context: TaskContext) => Promise<Task>> = {
  classify: classifyTask,
  chat: instructTask,
  translate: translateTask,
};

/**
 * @example
 * const { scores } = await finetune({ recipe: finetuneSchema.parse({ checkpoint: 'runs/bert', task: 'classify', .. }) });
 */
export async function finetune(options: FinetuneOptions): Promise<FinetuneResult> {
  const { recipe, threads } = options;
  if (recipe.update === 'head' && recipe.task !== 'classify') {
    throw new MillraceError('config', `update: head trains a class head, the task ${recipe.task} has none`, {
      hint: 'use update: all or lora',
    });
  }
  const { pretrained, tokenizer } = await openWithTokenizer({ checkpoint: recipe.checkpoint, vocab: recipe.vocab });
  try {
    const context = contextOf(pretrained) ?? 512;
    const limit = Math.min(context, recipe.max_length ?? context);
    const task = await TASKS[recipe.task]({ recipe, pretrained, tokenizer, limit });
    const config = withDropout(task.config, recipe);
    const model = buildModel(config);
    const stored = new Set(pretrained.model.parameters.map(({ name }) => name));
    const learns = trainable(recipe, (name) => stored.has(name));
    const parameters = model.parameters.map(({ frozen: _, ...parameter }) => ({
      ...parameter,
      ...((parameter.buffer || (learns && !learns(parameter.name))) && { frozen: true as const }),
    }));
    const files = {
      'config.json': `${JSON.stringify(configJson({ ...task, config }, pretrained), null, 2)}\n`,
      'tokenizer.json': await readFile(await tokenizerFile(pretrained), 'utf8'),
      ...task.files,
    };
    await mkdir(recipe.out, { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeWhole(join(recipe.out, name), text);
    await writeWhole(join(recipe.out, 'config.yaml'), stringify(recipe));
    const weights = join(recipe.out, '.start.safetensors');
    await writeStart(weights, { model, pretrained, task, recipe });
    const shared = { ...task.options, ...(learns && { trainable: learns }) };
    const graph = graphOptions(recipe);
    const labelSmoothing = recipe.training.label_smoothing;
    const result = await trainPrograms({
      programs: {
        parameters,
        training: (shape) => model.trainingProgram({ ...sizes(shape), ...shared, ...graph, labelSmoothing }),
        evaluation: (shape) => model.evaluationProgram({ ...sizes(shape), ...shared, native: graph.native }),
      },
      data: task.data,
      recipe,
      out: recipe.out,
      weights,
      resume: options.resume,
      threads,
      maxSteps: options.maxSteps,
      files,
      identity: { task: recipe.task, model: config, data: recipe.data, rows: recipe.training.batch_size },
      onEvent: options.onEvent,
      onProgress: options.onProgress,
      signal: options.signal,
    });
    await rm(weights, { force: true });
    const scores = await task.score?.(result.checkpoint);
    if (scores) await writeWhole(join(recipe.out, 'scores.json'), `${JSON.stringify(scores, null, 2)}\n`);
    return {
      ...result,
      parameters: countParameters(parameters),
      trained: countParameters(parameters.filter(({ frozen }) => !frozen)),
      ...(scores && { scores }),
    };
  } finally {
    await pretrained.weights.close();
  }
}

/** The checkpoint's weights, and first values for what it lacks: a class head, LoRA's matrices. */
async function writeStart(
  path: string,
  { model, pretrained, task, recipe }: { model: Model; pretrained: Pretrained; task: Task; recipe: FinetuneRecipe },
): Promise<void> {
  const session = Session.create({ parameters: model.parameters, threads: 1 });
  await session.init(recipe.training.seed);
  if (!recipe.random_init) {
    const stored = pretrained.model.parameters.map(({ name }) => name);
    const known = model.parameters.filter(({ name }) => stored.includes(name) || task.fresh(name));
    await pretrained.weights.each(known, (name, values, start) => session.write('weight', name, values, start), {
      optional: task.fresh,
    });
  }
  await writeSafetensors(path, [...session.tensors('weight')]);
}

/** Our config with the names of the classes and the tokens' roles, as Hugging Face spells them. */
function configJson({ config, labels }: Task, { roles }: Pretrained): object {
  return {
    ...config,
    ...(roles.bos !== undefined && { bos_token_id: roles.bos }),
    ...(roles.eos !== undefined && { eos_token_id: roles.eos }),
    ...(roles.pad !== undefined && { pad_token_id: roles.pad }),
    ...(roles.decoderStart !== undefined && { decoder_start_token_id: roles.decoderStart }),
    ...(labels && { id2label: Object.fromEntries(labels.map((label, i) => [i, label])) }),
  };
}

async function tokenizerFile({ tokenizer }: Pretrained): Promise<string> {
  const path = tokenizer!;
  return (await stat(path)).isDirectory() ? join(path, 'tokenizer.json') : path;
}

const sizes = ({ batchSize = 0, seqLen = 0, sourceLen }: Record<string, number>) => ({
  batchSize,
  seqLen,
  ...(sourceLen !== undefined && { sourceLen }),
});
