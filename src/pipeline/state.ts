/** What a run folder knows about its stages, kept in pipeline.json beside their results. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeWhole } from '../atomic.ts';
import { MillraceError } from '../errors.ts';
import type { Seen } from './hash.ts';
import type { Summary } from './stage.ts';

/** What decides a stage's result. Two equal causes have equal results. */
export interface Cause {
  kind: string;
  config: Record<string, unknown>;
  /** Hash of the code that runs it. */
  code: string;
  /** By role, the hash of what the stage above left. */
  inputs: Record<string, string>;
  /** Files of the outside world, path to hash. */
  reads: Record<string, string>;
}

export interface Entry {
  /** Hash of the cause. */
  key: string;
  cause: Cause;
  reads: Seen[];
  outputs: Seen[];
  /** Hash of the deterministic outputs: what stages below see. */
  result: string;
  summary: Summary;
  seconds: number;
  /** ISO 8601. */
  finished: string;
}

export interface State {
  format: 1;
  stages: Record<string, Entry>;
  /** Keys of stages that were begun in place and not finished. */
  begun: Record<string, string>;
}

const shape = z.object({
  format: z.literal(1),
  stages: z.record(z.string(), z.any()),
  begun: z.record(z.string(), z.string()),
});

export async function readState(dir: string): Promise<State> {
  const path = join(dir, 'pipeline.json');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
  if (text === undefined) return { format: 1, stages: {}, begun: {} };
  try {
    return shape.parse(JSON.parse(text)) as State;
  } catch (cause) {
    throw new MillraceError('corrupt', `${path} isn't a pipeline state of this version`, {
      hint: `delete ${path}: the stages then run again`,
      cause,
    });
  }
}

export async function writeState(dir: string, state: State): Promise<void> {
  await writeWhole(join(dir, 'pipeline.json'), `${JSON.stringify(state, undefined, 1)}\n`);
}
