/** A run folder in, its model and its newest whole checkpoint out. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { MillraceError } from '../errors.ts';
import { buildModel, type Model, type ModelConfig } from '../model/index.ts';
import { newestCheckpoint } from './checkpoint.ts';

export interface LoadedRun {
  model: Model;
  config: ModelConfig & Record<string, unknown>;
  /** Folder with model.safetensors, verified by hash. */
  checkpoint: string;
  /** Packed documents did not see each other in training. */
  isolate: boolean;
}

/** @throws `input` where the folder holds no run, `corrupt` where no checkpoint of it is whole. */
export async function loadRun(dir: string): Promise<LoadedRun> {
  const text = await readFile(join(dir, 'config.json'), 'utf8').catch((cause: Error) => {
    throw new MillraceError('input', `${dir}: no run is here (no config.json)`, {
      hint: 'name a run folder, such as runs/quickstart',
      cause,
    });
  });
  const config = JSON.parse(text) as LoadedRun['config'];
  const { isolate } = await runSettings(dir);
  const { found, refused } = await newestCheckpoint(join(dir, 'checkpoints'));
  if (!found) {
    throw new MillraceError(
      refused.length > 0 ? 'corrupt' : 'input',
      refused[0] ?? `${dir}: no checkpoint is here yet`,
      {
        hint: 'train it first',
      },
    );
  }
  return {
    model: buildModel(config),
    config,
    checkpoint: found.path,
    isolate,
  };
}

/** What a run's config.yaml says beside the model; from the run's folder or that of one of its checkpoints. */
export async function runSettings(dir: string): Promise<{ isolate: boolean; dataset?: string }> {
  for (const place of [dir, dirname(dirname(dir))]) {
    const text = await readFile(join(place, 'config.yaml'), 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const { isolate = true, dataset } = (parse(text) ?? {}) as { isolate?: boolean; dataset?: string };
    return { isolate, ...(dataset !== undefined && { dataset }) };
  }
  return { isolate: true };
}
