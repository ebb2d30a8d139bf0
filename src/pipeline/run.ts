/** A pipeline in, its stages brought up to date, what each left out. Only what changed runs. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { writeWhole } from '../atomic.ts';
import { nearest } from '../config/nearest.ts';
import { MillraceError } from '../errors.ts';
import type { Watch } from '../progress.ts';
import { adopt, clear, outputs, place, publish, sweepUp, temporary } from './folder.ts';
import { hashValue, see } from './hash.ts';
import { withLock } from './lock.ts';
import { causeOf, judge, resultOf } from './plan.ts';
import type { Elsewhere, Input, Pipeline, Step, Summary } from './stage.ts';
import { type Entry, readState, type State, writeState } from './state.ts';

export interface RunOptions extends Watch {
  /** Only these stages and those they need. */
  targets?: string[] | undefined;
  /** Begin with this stage; those above it are taken as they are. */
  from?: string | undefined;
  /** This stage alone; those above it are taken as they are. */
  only?: string | undefined;
  /** Run the chosen stages even where they are fresh. */
  force?: boolean | undefined;
  /** Other run folders, from which results of equal cause are taken over. */
  donors?: string[] | undefined;
  onEvent?: ((event: RunEvent) => void) | undefined;
  /** An engine for the stages that can run elsewhere. */
  elsewhere?: Elsewhere | undefined;
}

/** What a run tells on the way. */
export type RunEvent =
  | { type: 'stage-start'; stage: string; reasons: string[] }
  | { type: 'stage-fresh'; stage: string }
  | { type: 'stage-end'; stage: string; seconds: number; summary: Summary; adopted: boolean }
  | { type: 'stage-event'; stage: string; event: { type: string } & Record<string, unknown> };

/** Every stage, whether it ran, and what it left. */
export interface RunResult {
  dir: string;
  stages: { stage: string; kind: string; ran: boolean; seconds: number; result: string; summary: Summary }[];
}

const GO_ON = 'run it again to go on from there';

export async function runPipeline(pipeline: Pipeline, options: RunOptions = {}): Promise<RunResult> {
  const chosen = choose(pipeline, options);
  return withLock(pipeline.dir, async () => {
    await sweepUp(pipeline.dir);
    const state = await readState(pipeline.dir);
    await writeWhole(join(pipeline.dir, 'pipeline.yaml'), resolved(pipeline));
    for (const step of pipeline.steps) {
      if (!chosen.has(step.name)) continue;
      if (options.signal?.aborted) throw new MillraceError('cancelled', 'the run was cancelled', { hint: GO_ON });
      await bringUpToDate(step, { pipeline, state, options });
    }
    const stages = pipeline.steps.flatMap(({ name, stage }) => {
      const entry = state.stages[name];
      if (!entry) return [];
      const { seconds, result, summary } = entry;
      return { stage: name, kind: stage.kind, ran: ran.get(entry) ?? false, seconds, result, summary };
    });
    return { dir: pipeline.dir, stages };
  });
}

/** The pipeline as it runs: overrides and defaults written out. */
function resolved({ name, description, dir, steps }: Pipeline): string {
  const stages = Object.fromEntries(
    steps.map((step) => [step.name, { uses: step.stage.kind, from: step.inputs, ...step.config }]),
  );
  return stringify({ name, ...(description === undefined ? {} : { description }), out: dir, stages });
}

/** Entries made by this process rather than read from disk. */
const ran = new WeakMap<Entry, boolean>();

interface Context {
  pipeline: Pipeline;
  state: State;
  options: RunOptions;
}

async function bringUpToDate(step: Step, { pipeline, state, options }: Context): Promise<void> {
  const { name } = step;
  const { dir } = pipeline;
  const inputs = inputsOf(step, pipeline, state);
  const reasons = await judge(step, { dir, state });
  if (reasons.length === 0 && !options.force) {
    options.onEvent?.({ type: 'stage-fresh', stage: name });
    return;
  }
  options.onEvent?.({ type: 'stage-start', stage: name, reasons: reasons.length > 0 ? reasons : ['forced'] });
  const start = performance.now();
  const { cause, reads } = await causeOf(step, state);
  const key = hashValue(cause);
  const donor = options.force ? undefined : await findDonor(step, key, options.donors ?? []);
  // From here until the end the old result no longer counts, so that a kill can't leave a record of what is gone.
  const goesOn = step.stage.resumes === true && state.begun[name] === key && !options.force;
  delete state.stages[name];
  if (step.stage.resumes) state.begun[name] = key;
  await writeState(dir, state);

  let summary: Summary;
  if (donor) {
    await clear(dir, step);
    await adopt(
      donor.dir,
      dir,
      donor.entry.outputs.map(({ path }) => path),
    );
    summary = donor.entry.summary;
  } else {
    if (!goesOn && step.stage.resumes) await clear(dir, step);
    const out = step.stage.resumes ? place(dir, step) : temporary(dir, step);
    await mkdir(out, { recursive: true });
    const work = step.stage.run({
      name,
      config: step.config,
      inputs,
      out,
      pipeline: { name: pipeline.name, dir, description: pipeline.description },
      elsewhere: options.elsewhere,
      signal: options.signal,
      onProgress: options.onProgress,
      onEvent: (event) => options.onEvent?.({ type: 'stage-event', stage: name, event }),
    });
    summary = await work.catch((cause: unknown) => {
      if (!(cause instanceof MillraceError) || cause.code !== 'cancelled') throw cause;
      throw new MillraceError('cancelled', `stage '${name}': ${cause.message}`, { hint: GO_ON, cause });
    });
    if (!step.stage.resumes) await publish(dir, step);
  }
  const files = (await Promise.all((await outputs(dir, step)).map((path) => see(path, dir)))).filter(
    (seen) => seen !== undefined,
  );
  const seconds = (performance.now() - start) / 1000;
  const entry: Entry = {
    key,
    cause,
    reads,
    outputs: files,
    result: resultOf(step, files),
    summary,
    seconds: donor?.entry.seconds ?? seconds,
    finished: new Date().toISOString(),
  };
  ran.set(entry, donor === undefined);
  state.stages[name] = entry;
  delete state.begun[name];
  await writeState(dir, state);
  options.onEvent?.({ type: 'stage-end', stage: name, seconds, summary, adopted: donor !== undefined });
}

function inputsOf(step: Step, pipeline: Pipeline, state: State): Record<string, Input> {
  const inputs: Record<string, Input> = {};
  for (const [role, name] of Object.entries(step.inputs)) {
    const source = pipeline.steps.find((other) => other.name === name)!;
    const entry = state.stages[name];
    if (!entry) {
      throw new MillraceError('failed', `stage '${step.name}' needs the result of '${name}', which isn't there`, {
        hint: 'run the pipeline without --only and --from',
      });
    }
    inputs[role] = { stage: name, kind: source.stage.kind, dir: place(pipeline.dir, source), summary: entry.summary };
  }
  return inputs;
}

async function findDonor(
  step: Step,
  key: string,
  donors: string[],
): Promise<{ dir: string; entry: Entry } | undefined> {
  for (const dir of donors) {
    const entry = (await readState(dir)).stages[step.name];
    if (entry?.key !== key) continue;
    const seen = await Promise.all(entry.outputs.map((output) => see(output.path, dir, output)));
    if (seen.every((now, i) => now?.sha256 === entry.outputs[i]!.sha256)) return { dir, entry };
  }
  return undefined;
}

/** The names of the stages that are to be looked at. */
export function choose(pipeline: Pipeline, { targets = [], from, only }: RunOptions): Set<string> {
  const names = pipeline.steps.map(({ name }) => name);
  for (const name of [...targets, from, only]) {
    if (name === undefined || names.includes(name)) continue;
    const guess = nearest(name, names);
    throw new MillraceError('usage', `${pipeline.source.path} has no stage '${name}'`, {
      hint: guess ? `did you mean '${guess}'?` : `its stages: ${names.join(', ')}`,
    });
  }
  if (only !== undefined) return new Set([only]);
  let chosen = targets.length === 0 ? new Set(names) : closure(pipeline, targets, 'up');
  if (from !== undefined) {
    const below = closure(pipeline, [from], 'down');
    chosen = new Set([...chosen].filter((name) => below.has(name)));
  }
  return chosen;
}

function closure({ steps }: Pipeline, start: string[], direction: 'up' | 'down'): Set<string> {
  const found = new Set(start);
  for (const step of direction === 'up' ? steps.toReversed() : steps) {
    const sources = Object.values(step.inputs);
    if (direction === 'up' && found.has(step.name)) for (const name of sources) found.add(name);
    if (direction === 'down' && sources.some((name) => found.has(name))) found.add(step.name);
  }
  return found;
}
