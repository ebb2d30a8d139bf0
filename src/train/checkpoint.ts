/**
 * A session and the loop's state in, a checkpoint folder out, and back. A folder is whole or not there: it is written
 * under a temporary name, fsynced, its manifest with the hashes last, then renamed.
 *
 *     checkpoints/step-000500/{model.safetensors, optimizer.safetensors, state.json, manifest.json}
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../errors.ts';
import { Safetensors, writeSafetensors } from './safetensors.ts';
import type { ArrayName, Session } from './session.ts';

/** What the loop needs beside the arrays to go on as if it had not stopped. */
export interface LoopState {
  /** Finished steps, and of them those that changed the weights. */
  step: number;
  updates: number;
  tokens: number;
  /** Where the data went on after the last batch used. */
  cursor: unknown;
  /** Running mean of the loss, for the spike stop. */
  meanLoss: number | null;
  bestLoss: number | null;
  /** Seconds of training before. */
  seconds: number;
  /** What must be equal for a resumed run to be the same run: seed, threads, batch, recipe. */
  identity: Record<string, unknown>;
}

interface Manifest {
  format: 'millrace-checkpoint';
  version: 1;
  step: number;
  files: Record<string, { bytes: number; sha256: string }>;
}

const MOMENTS: ArrayName[] = ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq', 'ema'];
const NAME = /^step-(\d{6,})$/;

export const checkpointName = (step: number): string => `step-${String(step).padStart(6, '0')}`;

/** Writes `folder/step-N` and returns its path. A checkpoint of that step that is already there is replaced. */
export async function saveCheckpoint(
  folder: string,
  { session, state, texts = {} }: { session: Session; state: LoopState; texts?: Record<string, string> | undefined },
): Promise<string> {
  const name = checkpointName(state.step);
  const temporary = join(folder, `.tmp-${name}`);
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  const files: Manifest['files'] = {};
  files['model.safetensors'] = await writeSafetensors(
    join(temporary, 'model.safetensors'),
    [...session.tensors('weight')],
    { step: String(state.step) },
  );
  files['optimizer.safetensors'] = await writeSafetensors(
    join(temporary, 'optimizer.safetensors'),
    MOMENTS.flatMap((array) => [...session.tensors(array, `${array}.`)]),
  );
  files['state.json'] = await writeText(join(temporary, 'state.json'), `${JSON.stringify(state, null, 2)}\n`);
  for (const [file, text] of Object.entries(texts)) files[file] = await writeText(join(temporary, file), text);
  const manifest: Manifest = { format: 'millrace-checkpoint', version: 1, step: state.step, files };
  await writeText(join(temporary, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  await syncFolder(temporary);

  const path = join(folder, name);
  const old = join(folder, `.tmp-old-${name}`);
  await rm(old, { recursive: true, force: true });
  await rename(path, old).catch(ignoreMissing);
  await rename(temporary, path);
  await syncFolder(folder);
  await rm(old, { recursive: true, force: true });
  return path;
}

/** Paths of the checkpoints in a folder, newest first. None where the folder is missing. */
export async function listCheckpoints(folder: string): Promise<{ step: number; path: string }[]> {
  const entries = await readdir(folder).catch(() => [] as string[]);
  return entries
    .flatMap((entry) => {
      const match = NAME.exec(entry);
      return match ? [{ step: Number(match[1]), path: join(folder, entry) }] : [];
    })
    .sort((a, b) => b.step - a.step);
}

/** Reads the manifest and compares every file's length and hash. @throws `corrupt` with the first difference. */
export async function verifyCheckpoint(path: string): Promise<{ step: number; state: LoopState }> {
  const corrupt = (what: string) =>
    new MillraceError('corrupt', `checkpoint ${path} is damaged: ${what}`, { hint: 'use an earlier one' });
  const text = await readFile(join(path, 'manifest.json'), 'utf8').catch(() => {
    throw corrupt('it has no manifest.json');
  });
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch {
    throw corrupt('manifest.json is not JSON');
  }
  if (manifest.format !== 'millrace-checkpoint' || typeof manifest.files !== 'object') {
    throw corrupt('manifest.json is not one of a checkpoint');
  }
  for (const name of ['model.safetensors', 'optimizer.safetensors', 'state.json']) {
    if (!(name in manifest.files)) throw corrupt(`its manifest does not name ${name}`);
  }
  for (const [name, { sha256 }] of Object.entries(manifest.files)) {
    const found = await hashFile(join(path, name)).catch(() => {
      throw corrupt(`${name} is missing or can't be read`);
    });
    if (found !== sha256) throw corrupt(`the SHA-256 of ${name} is not the one in its manifest`);
  }
  const state = JSON.parse(await readFile(join(path, 'state.json'), 'utf8')) as LoopState;
  return { step: manifest.step, state };
}

/** The newest checkpoint that is whole; `refused` tells of damaged newer ones. */
export async function newestCheckpoint(
  folder: string,
): Promise<{ found: { path: string; state: LoopState } | undefined; refused: string[] }> {
  const refused: string[] = [];
  for (const { path } of await listCheckpoints(folder)) {
    try {
      const { state } = await verifyCheckpoint(path);
      return { found: { path, state }, refused };
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      refused.push(error.message);
    }
  }
  return { found: undefined, refused };
}

/** Fills a session's weights and moments from a checkpoint that was verified. */
export async function loadCheckpoint(path: string, session: Session, state: LoopState): Promise<void> {
  await session.loadWeights(join(path, 'model.safetensors'));
  const file = await Safetensors.open(join(path, 'optimizer.safetensors'));
  try {
    for (const array of MOMENTS) await session.fill(array, file, `${array}.`);
  } finally {
    await file.close();
  }
  session.updates = state.updates;
}

/** Deletes what a killed run left half written, and all but the newest `keep` checkpoints. */
export async function tidyCheckpoints(folder: string, { keep }: { keep?: number | undefined } = {}): Promise<void> {
  for (const entry of await readdir(folder).catch(() => [] as string[])) {
    if (!entry.startsWith('.tmp-')) continue;
    // A kill between the two renames of a replacement leaves the old one under this name alone: put it back.
    const original = join(folder, entry.slice('.tmp-old-'.length));
    if (entry.startsWith('.tmp-old-') && (await rename(join(folder, entry), original).then(yes, no))) continue;
    await rm(join(folder, entry), { recursive: true, force: true });
  }
  if (keep === undefined) return;
  for (const { path } of (await listCheckpoints(folder)).slice(Math.max(1, keep))) {
    // Out of sight at once, so that a kill in the middle leaves no half a checkpoint.
    const gone = join(folder, `.tmp-gone-${path.slice(folder.length + 1)}`);
    await rename(path, gone);
    await rm(gone, { recursive: true, force: true });
  }
}

const yes = () => true;
const no = () => false;

async function writeText(path: string, text: string): Promise<{ bytes: number; sha256: string }> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  return { bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') };
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 22 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
