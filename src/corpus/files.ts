/** Paths and globs in, sorted paths of existing files out. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import fastGlob from 'fast-glob';
import { MillraceError } from '../errors.ts';

/** A path that exists is taken as it stands, even with glob characters in it. Throws `input` for one that matches nothing. */
export async function findFiles(patterns: string[], cwd = process.cwd()): Promise<string[]> {
  const found = new Set<string>();
  for (const pattern of patterns) {
    const paths = await match(pattern, cwd);
    if (paths.length === 0) {
      throw new MillraceError('input', `no file matches ${pattern}`, { hint: `paths are taken from ${cwd}` });
    }
    for (const path of paths) found.add(path);
  }
  return [...found].sort();
}

async function match(pattern: string, cwd: string): Promise<string[]> {
  const found = await stat(resolve(cwd, pattern)).catch(() => undefined);
  if (found?.isFile()) return [pattern];
  if (found?.isDirectory()) {
    throw new MillraceError('input', `${pattern} is a folder`, { hint: `name its files, such as ${pattern}/*.txt` });
  }
  return fastGlob.isDynamicPattern(pattern) ? fastGlob(pattern, { cwd, onlyFiles: true }) : [];
}
