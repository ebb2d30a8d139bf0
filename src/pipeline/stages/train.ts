/** A dataset in, a trained model out: checkpoints, metrics.jsonl, config and tokenizer. A killed run goes on. */
import { join } from 'node:path';
import { z } from 'zod';
import type { Manifest } from '../../dataset/manifest.ts';
/** The recipe's own schema (src/train/recipe.ts, src/train/train.ts) says what the keys mean. */
import { recipeSchema } from '../../train/train.ts';
import type { Stage } from '../stage.ts';

const schema = recipeSchema.extend({
  threads: z
    .int()
    .positive()
    .optional()
    .describe('all cores by default; results are bit-identical for one number only'),
});

export const train: Stage<typeof schema> = {
  kind: 'train',
  about: 'trains the model',
  schema,
  needs: { dataset: { kinds: ['dataset'] }, vocab: { kinds: ['vocab'] } },
  code: ['train', 'model', 'graph', 'dataset', 'native'],
  versions: ['onnxruntime-node'],
  resumes: true,
  entries: ['checkpoints', 'config.yaml', 'config.json', 'tokenizer.json', 'metrics.jsonl', 'events.out.tfevents.*'],
  deterministic: (path) => !/metrics\.jsonl$|events\.out|state\.json$|manifest\.json$/.test(path),
  async run({ config, inputs, out, onEvent, signal, onProgress }) {
    const [{ train }, { sampleDuringTraining }] = await Promise.all([
      import('../../train/train.ts'),
      import('../../generate/during_training.ts'),
    ]);
    const { threads, ...recipe } = config;
    const { step, loss, validationLoss, parameters } = await train({
      recipe,
      dataset: inputs.dataset!.dir,
      vocab: inputs.vocab!.dir,
      out,
      threads,
      resume: 'auto',
      sample: await sampleDuringTraining({ vocab: inputs.vocab!.dir }),
      onEvent: (event) => onEvent({ ...event }),
      signal,
      onProgress,
    });
    return { steps: step, parameters, loss, validationLoss, checkpoints: join(out, 'checkpoints') };
  },
  async preview({ config, inputs }) {
    const { planFrom } = await import('../../train/plan.ts');
    const { parameters, tokensPerStep, tokens, memory } = planFrom({ recipe: config, manifest: expected(inputs) });
    const giga = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
    const count = (value: number) => value.toLocaleString('en-GB');
    return [
      `${config.model.family}, ${count(parameters)} parameters`,
      `${count(config.training.steps)} steps of ${count(tokensPerStep)} tokens, ${count(tokens)} in all`,
      `memory about ${giga(memory.total ?? memory.weights + memory.gradients + memory.optimizer)}`,
    ];
  },
};

/** What the dataset's manifest will say about sizes, taken from the configs of the stages above. */
function expected(inputs: Record<string, { config: Record<string, unknown> }>): Manifest {
  const { seq_len: seqLen, task: kind, max_predictions: maxPredictions } = inputs.dataset!.config;
  const special = { pad: null, unk: null, bos: null, eos: null, cls: null, sep: null, mask: null };
  const plan = {
    seqLen,
    task: { kind, maxPredictions },
    vocabulary: { size: inputs.vocab!.config.vocab_size, special },
  };
  return { plan, splits: [] } as unknown as Manifest;
}
