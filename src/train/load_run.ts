/** A run folder in, its model and its newest whole checkpoint out. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { MillraceError } from '../errors.ts';
import { buildModel, type Model, type ModelConfig } from '../model/index.ts';
import { newestCheckpoint } from './checkpoint.ts';
import { packedInputs } from './train.ts';

export interface LoadedRun {
  model: Model;
  config: ModelConfig & Record<string, unknown>;
  /** Folder with model.safetensors, verified by hash. */
  checkpoint: string;
  /** The inputs that training gave the programs beside ids and labels. */
  packed: { segmentIds?: boolean; positionIds?: boolean };
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
  const recipe = parse(await readFile(join(dir, 'config.yaml'), 'utf8').catch(() => '')) as {
    isolate?: boolean;
  } | null;
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
    packed: packedInputs(config.family, recipe?.isolate ?? true),
  };
}
