/** A pipeline's YAML file and overrides in, its steps with resolved inputs out. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { loadYaml } from '../config/load.ts';
import { nearest } from '../config/nearest.ts';
import { MillraceError } from '../errors.ts';
import type { Pipeline, Stage, Step } from './stage.ts';

const NAME = /^[a-z0-9][a-z0-9._-]*$/i;

/** The schema of a pipeline file over the given stages. */
export function pipelineSchema(stages: Stage[]) {
  const options = stages.map(({ kind, schema }) =>
    (schema as z.ZodObject).extend({
      uses: z.literal(kind).describe('the kind of stage; its name where left out'),
      from: z
        .record(z.string(), z.string())
        .optional()
        .describe('the stage that fills a role, where not the nearest above'),
    }),
  );
  return z.strictObject({
    name: z.string().regex(NAME, 'must be a plain name').describe('names the run folder'),
    description: z.string().optional(),
    out: z.string().optional().describe('the run folder (default: runs/<name>)'),
    stages: z.record(
      z.string().regex(NAME, 'must be a plain name'),
      z.discriminatedUnion('uses', options as unknown as [z.ZodObject<{ uses: z.ZodLiteral }>]),
    ),
    sweep: z
      .record(z.string(), z.array(z.unknown()).min(1))
      .optional()
      .describe('paths such as stages.train.seed, each with the values to try; every combination is run'),
  });
}

/**
 * @param path a file, or the bare name of a pipeline that comes along (`quickstart`).
 * @throws `config` with file and line for what makes no sense.
 */
export async function loadPipeline(
  path: string,
  { stages, overrides = [] }: { stages: Stage[]; overrides?: string[] },
): Promise<Pipeline> {
  const file = resolvePipeline(path);
  const { config, text } = await loadYaml(file, pipelineSchema(stages), { overrides, prepare: usesFromName });
  const table = new Map(stages.map((stage) => [stage.kind, stage]));
  const steps: Step[] = [];
  for (const [name, { uses, from, ...own }] of Object.entries(config.stages) as [string, StageConfig][]) {
    const stage = table.get(uses)!;
    steps.push({ name, stage, config: own, inputs: wire(name, stage, steps, from ?? {}, file) });
  }
  return {
    name: config.name,
    description: config.description,
    dir: config.out ?? join('runs', config.name),
    steps,
    sweep: config.sweep ?? {},
    source: { path, text, overrides },
  };
}

type StageConfig = { uses: string; from?: Record<string, string> } & Record<string, unknown>;

/** `vocab: {...}` means `vocab: {uses: vocab, ...}`. */
function usesFromName(given: unknown): void {
  const stages = (given as { stages?: unknown } | null)?.stages;
  if (stages === null || typeof stages !== 'object') return;
  for (const [name, value] of Object.entries(stages as Record<string, unknown>)) {
    if (value === null) (stages as Record<string, unknown>)[name] = { uses: name };
    else if (typeof value === 'object' && !('uses' in value)) (value as Record<string, unknown>).uses = name;
  }
}

function resolvePipeline(path: string): string {
  if (existsSync(path) || path.includes('/') || /\.ya?ml$/.test(path)) return path;
  const along = fileURLToPath(new URL(`../../pipelines/${path}.yaml`, import.meta.url));
  return existsSync(along) ? along : path;
}

/** Which stage above fills each role. */
function wire(
  name: string,
  stage: Stage,
  above: Step[],
  from: Record<string, string>,
  file: string,
): Record<string, string> {
  const fail = (message: string, hint: string) =>
    new MillraceError('config', `${file}: stage '${name}': ${message}`, { hint });
  if (stage.takesAll) return Object.fromEntries(above.map((step) => [step.name, step.name]));
  for (const role of Object.keys(from)) {
    if (role in stage.needs) continue;
    const guess = nearest(role, Object.keys(stage.needs));
    throw fail(
      `takes no '${role}'`,
      guess ? `did you mean '${guess}'?` : `it takes ${Object.keys(stage.needs).join(', ') || 'nothing'}`,
    );
  }
  const inputs: Record<string, string> = {};
  for (const [role, { kinds, optional }] of Object.entries(stage.needs)) {
    const wanted = from[role];
    const source = wanted
      ? above.find((step) => step.name === wanted)
      : above.findLast((step) => kinds.includes(step.stage.kind));
    if (wanted && !source) {
      const guess = nearest(
        wanted,
        above.map((step) => step.name),
      );
      throw fail(
        `no stage '${wanted}' above it`,
        guess ? `did you mean '${guess}'?` : 'stages take from those above them',
      );
    }
    if (source && !kinds.includes(source.stage.kind)) {
      throw fail(`'${source.name}' can't be its ${role}`, `a ${role} comes from a stage of kind ${kinds.join(' or ')}`);
    }
    if (source) inputs[role] = source.name;
    else if (!optional)
      throw fail(`nothing above it gives a ${role}`, `add a stage of kind ${kinds.join(' or ')} above it`);
  }
  return inputs;
}
