/** Where stages write: temporary folders, their places in the run folder, and the swap between them. */
import { cp, link, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import type { Step } from './stage.ts';

/** The folder that a stage's results are found in. */
export function place(dir: string, step: Step): string {
  return atTop(step) ? dir : join(dir, step.name);
}

/** A stage that bears its kind's name may put its entries into the run folder itself: checkpoints/, report.html. */
function atTop({ name, stage }: Step): boolean {
  return stage.entries !== undefined && name === stage.kind;
}

function owns(step: Step, entry: string): boolean {
  if (!atTop(step)) return entry === step.name;
  return step.stage.entries!.some((own) => (own.endsWith('*') ? entry.startsWith(own.slice(0, -1)) : entry === own));
}

/** Paths of all files that a stage left, relative to the run folder, sorted. */
export async function outputs(dir: string, step: Step): Promise<string[]> {
  const entries = await readdir(dir).catch(() => []);
  const found: string[] = [];
  for (const entry of entries.filter((name) => owns(step, name))) found.push(...(await files(join(dir, entry))));
  return found.map((path) => relative(dir, path).split(sep).join('/')).sort();
}

async function files(path: string): Promise<string[]> {
  const inner = await readdir(path, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOTDIR') return undefined;
    throw error;
  });
  if (!inner) return [path];
  const nested = await Promise.all(
    inner.map((entry) => (entry.isDirectory() ? files(join(path, entry.name)) : [join(path, entry.name)])),
  );
  return nested.flat();
}

/** Deletes a stage's results. */
export async function clear(dir: string, step: Step): Promise<void> {
  for (const entry of await readdir(dir).catch(() => [])) {
    if (owns(step, entry)) await rm(join(dir, entry), { recursive: true, force: true });
  }
}

export function temporary(dir: string, step: Step): string {
  return join(dir, `.tmp-${step.name}`);
}

/** Deletes what killed runs left half done. Call it under the lock. */
export async function sweepUp(dir: string): Promise<void> {
  for (const entry of await readdir(dir).catch(() => [])) {
    if (entry.startsWith('.tmp-')) await rm(join(dir, entry), { recursive: true, force: true });
  }
}

/** Puts a stage's temporary folder into its place. */
export async function publish(dir: string, step: Step): Promise<void> {
  const from = temporary(dir, step);
  await clear(dir, step);
  if (!atTop(step)) await rename(from, join(dir, step.name));
  else {
    for (const entry of await readdir(from)) await rename(join(from, entry), join(dir, entry));
    await rm(from, { recursive: true });
  }
  await syncFolder(dir);
}

/** Makes renames in a folder last through a power cut. */
async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  await handle.sync().catch(() => {}); // some file systems can't
  await handle.close();
}

/** Takes over a stage's files from another run folder, by hard link where the file system can. */
export async function adopt(from: string, to: string, paths: string[]): Promise<void> {
  for (const path of paths) {
    const target = join(to, path);
    await mkdir(dirname(target), { recursive: true });
    await rm(target, { force: true });
    await link(join(from, path), target).catch(() => cp(join(from, path), target));
  }
}
