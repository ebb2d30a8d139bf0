/** `millrace train`: a recipe and a dataset to a run folder. */
import { Option } from 'commander';
import type { TrainEvent } from '../../train/events.ts';
import type { TrainPlan } from '../../train/plan.ts';
import { action, type Call, collect, type Define, integer } from '../command.ts';
import { bytes, count, duration, table } from '../format.ts';

interface Options {
  dataset?: string;
  vocab?: string;
  out?: string;
  set: string[];
  resume?: string;
  device: string;
  maxSteps?: number;
  threads?: number;
  dryRun?: boolean;
}

const define: Define = (command) => {
  command
    .argument('<recipe>', 'a YAML file: model, optimizer, schedule, training, dataset, vocab, out')
    .option('--dataset <dir>', 'the dataset, in place of the recipe’s')
    .option('--vocab <dir>', 'the vocabulary, in place of the recipe’s')
    .option('-o, --out <dir>', 'the run folder, in place of the recipe’s')
    .option(
      '--set <key=value>',
      'override a key of the recipe, such as optimizer.lr=3e-4 (may be repeated)',
      collect,
      [],
    )
    .option('--resume <auto|path>', 'go on from the newest whole checkpoint of the run folder, or from this one')
    .addOption(new Option('--device <device>', 'auto, cpu, cuda, cuda:<n> or webgpu').default('auto'))
    .option('--max-steps <n>', 'stop after this many updates', integer({ min: 1 }))
    .option('--threads <n>', 'all cores by default', integer({ min: 1 }))
    .option('--dry-run', 'print the resolved recipe, the parameter count, tokens a step and memory; write nothing')
    .action(
      action(async (call, path: string, options: Options) => {
        const [{ loadYaml }, { recipeFileSchema }] = await Promise.all([
          import('../../config/load.ts'),
          import('../../train/recipe.ts'),
        ]);
        const places = ['dataset', 'vocab', 'out'] as const;
        const overrides = [...options.set, ...places.flatMap((key) => (options[key] ? `${key}=${options[key]}` : []))];
        const { config } = await loadYaml(path, recipeFileSchema, { overrides });
        const { dataset, vocab, out, threads = options.threads, ...recipe } = config;
        if (options.dryRun) {
          const { planTraining } = await import('../../train/plan.ts');
          const plan = await planTraining({ recipe, dataset });
          const { stringify } = await import('yaml');
          return { data: { config, plan }, text: `${stringify(config)}\n${describePlan(plan)}` };
        }
        const [{ train }, { sampleDuringTraining }, { resolveDevice }] = await Promise.all([
          import('../../train/train.ts'),
          import('../../generate/during_training.ts'),
          import('../../train/device.ts'),
        ]);
        const result = await train({
          recipe,
          dataset,
          vocab,
          out,
          device: await resolveDevice(options.device),
          resume: options.resume,
          threads: options.threads ?? threads,
          maxSteps: options.maxSteps,
          ...(recipe.training.sample_every !== undefined && { sample: await sampleDuringTraining({ vocab }) }),
          onEvent: narrate(call),
          ...call.watch,
        });
        const held = result.validationLoss === undefined ? '' : `, validation loss ${result.validationLoss.toFixed(4)}`;
        return { data: { out, ...result }, text: `${result.checkpoint}: step ${result.step}${held}` };
      }),
    );
};
export default define;

/** Validation, samples, checkpoints and warnings as lines; with --json every event. */
function narrate({ output }: Call): (event: TrainEvent) => void {
  return (event) => {
    if (output.json) output.event({ ...event });
    else if (event.type === 'warning') output.warn(event.message);
    else if (event.type === 'start') {
      const from = event.resumedFrom === undefined ? '' : `, going on from ${event.resumedFrom}`;
      const size = `${count(event.parameters)} parameters, ${count(event.tokensPerStep)} tokens a step`;
      output.note(`${size}, ${event.device}, ${event.threads} threads${from}`);
    } else if (event.type === 'validation') {
      const figures = [
        `validation loss ${event.loss.toFixed(4)}`,
        event.perplexity === undefined ? undefined : `perplexity ${event.perplexity.toFixed(1)}`,
        event.bitsPerByte === undefined ? undefined : `${event.bitsPerByte.toFixed(3)} bits a byte`,
        ...Object.entries(event.accuracy ?? {}).map(([term, share]) => `${term} right ${(100 * share).toFixed(1)} %`),
      ];
      output.note(`step ${event.step}: ${figures.filter((figure) => figure !== undefined).join(', ')}`);
    } else if (event.type === 'sample') output.note(`step ${event.step}: ${event.text}`);
    else if (event.type === 'checkpoint') output.detail(`step ${event.step}: saved ${event.path}`);
    else if (event.type === 'end') output.detail(`${duration(event.seconds)}, peak memory ${event.peakRssMb} MB`);
  };
}

function describePlan(plan: TrainPlan): string {
  const { memory } = plan;
  const rows: [string, string | undefined][] = [
    ['parameters', count(plan.parameters)],
    ['tokens a step', count(plan.tokensPerStep)],
    ['tokens in all', count(plan.tokens)],
    ['passes over the data', plan.epochs === undefined ? undefined : plan.epochs.toFixed(2)],
    ['FLOP a step', plan.flopsPerStep === undefined ? undefined : `${(plan.flopsPerStep / 1e9).toFixed(1)} G`],
    ['memory: process', bytes(memory.process)],
    ['memory: weights', bytes(memory.weights)],
    ['memory: gradients', bytes(memory.gradients)],
    ['memory: optimizer', bytes(memory.optimizer)],
    ['memory: activations', memory.activations === undefined ? undefined : bytes(memory.activations)],
    ['memory in all', memory.total === undefined ? undefined : `about ${bytes(memory.total)}`],
  ];
  return table(rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
