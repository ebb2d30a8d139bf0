/** A pipeline's file in, its stages brought up to date out: `millrace run` and `millrace status` for programs. */
import type { Watch } from '../progress.ts';
import { loadPipeline } from './load.ts';
import { plan, type Verdict } from './plan.ts';
import { type RunEvent, type RunResult, runPipeline as run } from './run.ts';
import { stages } from './stages/index.ts';
import { readState } from './state.ts';

/** What `runPipeline` takes: a file, overrides, and which of its stages. */
export interface RunPipelineOptions extends Watch {
  /** A YAML file, or the name of a pipeline that comes along. */
  pipeline: string;
  /** `key=value` each, such as `stages.train.training.steps=100`. */
  set?: string[] | undefined;
  /** Only these stages and those they need. */
  stages?: string[] | undefined;
  /** Begin with this stage; those above it are taken as they are. */
  from?: string | undefined;
  /** This stage alone. */
  only?: string | undefined;
  /** Run the chosen stages even where they are fresh. */
  force?: boolean | undefined;
  onEvent?: ((event: RunEvent) => void) | undefined;
}

/**
 * Runs what is not fresh. Throws `config` for what makes no sense in the file, `failed` where another run works in the
 * folder, `cancelled` with the signal; a later call goes on.
 *
 * @example
 * const { dir, stages } = await runPipeline({ pipeline: 'quickstart', set: ['stages.train.training.steps=200'] });
 */
export async function runPipeline(options: RunPipelineOptions): Promise<RunResult> {
  const { pipeline, set, stages: targets, ...rest } = options;
  return run(await loadPipeline(pipeline, { stages, overrides: set ?? [] }), { ...rest, targets });
}

/**
 * Which stages are fresh, and why the others aren't. Writes nothing.
 *
 * @example
 * const stale = (await pipelineStatus({ pipeline: 'p.yaml' })).filter(({ status }) => status !== 'fresh');
 */
export async function pipelineStatus({
  pipeline,
  set = [],
}: Pick<RunPipelineOptions, 'pipeline' | 'set'>): Promise<Verdict[]> {
  const loaded = await loadPipeline(pipeline, { stages, overrides: set });
  return plan(loaded, await readState(loaded.dir));
}
