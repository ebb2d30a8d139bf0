/** A pipeline in, what `run` would do and what it would make out. Writes nothing. */
import { plan } from './plan.ts';
import { choose, type RunOptions } from './run.ts';
import type { Pipeline } from './stage.ts';
import { readState } from './state.ts';

export interface Preview {
  pipeline: string;
  dir: string;
  stages: {
    stage: string;
    kind: string;
    action: 'run' | 'keep' | 'skip' | 'run if needed';
    reasons: string[];
    notes: string[];
    config: object;
  }[];
}

export async function dryRun(pipeline: Pipeline, options: RunOptions): Promise<Preview> {
  const chosen = choose(pipeline, options);
  const verdicts = await plan(pipeline, await readState(pipeline.dir));
  const stages: Preview['stages'] = [];
  for (const { stage, kind, status, reasons } of verdicts) {
    const step = pipeline.steps.find(({ name }) => name === stage)!;
    const action = !chosen.has(stage)
      ? 'skip'
      : status === 'stale' || options.force
        ? 'run'
        : status === 'waiting'
          ? 'run if needed'
          : 'keep';
    const inputs = Object.fromEntries(
      Object.entries(step.inputs).map(([role, name]) => {
        const source = pipeline.steps.find((other) => other.name === name)!;
        return [role, { kind: source.stage.kind, config: source.config }];
      }),
    );
    const notes = (await step.stage.preview?.({ config: step.config as never, inputs })) ?? [];
    stages.push({ stage, kind, action, reasons, notes, config: step.config });
  }
  return { pipeline: pipeline.name, dir: pipeline.dir, stages };
}
