/** A pipeline and its run folder in; for each stage whether its result still holds, and if not why, out. */
import { outputs } from './folder.ts';
import { hashCode, hashFiles, hashValue, type Seen, see } from './hash.ts';
import type { Pipeline, Step } from './stage.ts';
import type { Cause, Entry, State } from './state.ts';

export type Status = 'fresh' | 'stale' | 'waiting';

/** Whether a stage is fresh, and why not. */
export interface Verdict {
  stage: string;
  kind: string;
  /** `waiting`: a stage above is to run first, and its result decides. */
  status: Status;
  /** Why it isn't fresh, one reason each. */
  reasons: string[];
}

/** The verdicts of all stages, in the order of the pipeline. Writes nothing. */
export async function plan(pipeline: Pipeline, state: State): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const step of pipeline.steps) {
    const base = { stage: step.name, kind: step.stage.kind };
    const open = Object.values(step.inputs).filter((name) =>
      verdicts.some((v) => v.stage === name && v.status !== 'fresh'),
    );
    if (open.length > 0) {
      const reason = state.stages[step.name] ? `${open.join(', ')} will run first` : 'it has never run';
      verdicts.push({ ...base, status: 'waiting', reasons: [reason] });
      continue;
    }
    const reasons = await judge(step, { dir: pipeline.dir, state });
    verdicts.push({ ...base, status: reasons.length === 0 ? 'fresh' : 'stale', reasons });
  }
  return verdicts;
}

/** Why a stage whose inputs are all there must run; empty where its result holds. */
export async function judge(step: Step, at: { dir: string; state: State }): Promise<string[]> {
  const entry = at.state.stages[step.name];
  if (!entry) return [at.state.begun[step.name] ? 'it was not finished' : 'it has never run'];
  const { cause } = await causeOf(step, at.state);
  if (hashValue(cause) !== entry.key) return differences(entry.cause, cause);
  return changedOutputs(step, entry, at.dir);
}

/** What would decide the stage's result if it ran now. */
export async function causeOf(step: Step, state: State): Promise<{ cause: Cause; reads: Seen[] }> {
  const { stage, config } = step;
  const before = new Map(state.stages[step.name]?.reads.map((seen) => [seen.path, seen]));
  const paths = (await stage.reads?.(config as never)) ?? [];
  const reads = (await Promise.all(paths.map((path) => see(path, '', before.get(path))))).filter(
    (seen) => seen !== undefined,
  );
  const inputs = Object.fromEntries(
    Object.entries(step.inputs).map(([role, name]) => [role, state.stages[name]?.result ?? 'none']),
  );
  const cause: Cause = {
    kind: stage.kind,
    config: JSON.parse(JSON.stringify(config)) as Record<string, unknown>,
    code: hashCode(stage.code, stage.versions),
    inputs,
    reads: Object.fromEntries(reads.map(({ path, sha256 }) => [path, sha256])),
  };
  return { cause, reads };
}

/** Hash of what a stage left, as those below see it. */
export function resultOf(step: Step, files: Seen[]): string {
  return hashFiles(files.filter(({ path }) => step.stage.deterministic?.(path) ?? true));
}

async function changedOutputs(step: Step, entry: Entry, dir: string): Promise<string[]> {
  const now = new Set(await outputs(dir, step));
  const reasons: string[] = [];
  for (const output of entry.outputs) {
    const seen = now.has(output.path) ? await see(output.path, dir, output) : undefined;
    if (!seen) reasons.push(`its output ${output.path} is gone`);
    else if ((step.stage.deterministic?.(output.path) ?? true) && seen.sha256 !== output.sha256)
      reasons.push(`its output ${output.path} was changed`);
  }
  return reasons;
}

function differences(before: Cause, now: Cause): string[] {
  const reasons: string[] = [];
  if (before.kind !== now.kind) reasons.push(`kind ${before.kind} is now ${now.kind}`);
  for (const [path, from, to] of changes(before.config, now.config))
    reasons.push(`${path}: ${show(from)} is now ${show(to)}`);
  for (const [role, from, to] of changes(before.inputs, now.inputs)) reasons.push(sentence(`its ${role}`, from, to));
  for (const [path, from, to] of changes(before.reads, now.reads)) reasons.push(sentence(path, from, to));
  if (before.code !== now.code) reasons.push('the code that runs it changed');
  return reasons;
}

const sentence = (what: string, from: unknown, to: unknown) =>
  `${what} ${from === undefined ? 'is new' : to === undefined ? 'is gone' : 'changed'}`;

const show = (value: unknown) => (value === undefined ? 'nothing' : JSON.stringify(value));

/** Leaves that differ, as dotted path, before, after. */
function changes(
  before: Record<string, unknown>,
  now: Record<string, unknown>,
  prefix: string[] = [],
): [string, unknown, unknown][] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  return keys.flatMap((key) => {
    const [a, b] = [before[key], now[key]];
    if (hashValue(a) === hashValue(b)) return [];
    if (isMap(a) && isMap(b)) return changes(a, b, [...prefix, key]);
    return [[[...prefix, key].join('.'), a, b] as [string, unknown, unknown]];
  });
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);
