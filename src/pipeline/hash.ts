/** Files, values and code in, SHA-256 hashes (hex) out. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file as it was last seen. While size and time hold, the hash is taken to hold, so large corpora aren't read again. */
export interface Seen {
  path: string;
  size: number;
  mtimeMs: number;
  sha256: string;
}

/** Hashes a file, or trusts what was seen before. Undefined where there is none. */
export async function see(path: string, root = '', before?: Seen): Promise<Seen | undefined> {
  const full = join(root, path);
  const info = await stat(full).catch(() => undefined);
  if (!info?.isFile()) return undefined;
  const { size, mtimeMs } = info;
  if (before && before.size === size && before.mtimeMs === mtimeMs) return before;
  return { path, size, mtimeMs, sha256: await hashFile(full) };
}

export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** The hash of a JSON value, whatever the order of its keys. */
export function hashValue(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

function canonical(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const entries = Object.entries(value as Record<string, unknown>).filter(([, inner]) => inner !== undefined);
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`)
    .join(',')}}`;
}

/** One hash over many files' names and hashes. */
export function hashFiles(files: Seen[]): string {
  return hashValue(files.map(({ path, sha256 }) => [path, sha256]).sort());
}

/** The hash of the code in folders of src (or of dist, where that is what runs), of the native module, of packages' versions. */
export function hashCode(folders: string[], packages: string[] = []): string {
  const hash = createHash('sha256');
  const root = fileURLToPath(new URL('..', import.meta.url));
  for (const folder of [...folders].sort()) {
    if (folder === 'native') {
      for (const name of list(join(root, '../native'), /\.node$/)) hash.update(readFileSync(name));
    } else for (const name of list(join(root, folder), /(?<!\.d)\.[jt]s$/)) hash.update(readFileSync(name));
  }
  const require = createRequire(import.meta.url);
  for (const name of [...packages].sort()) {
    hash.update(`${name}@${versionOf(name, require)}`);
  }
  return hash.digest('hex');
}

/** `none` for a package that isn't installed: what needs it says so when it runs. */
function versionOf(name: string, require: NodeJS.Require): string {
  try {
    return (require(`${name}/package.json`) as { version: string }).version;
  } catch {
    return 'none';
  }
}

function list(folder: string, pattern: RegExp): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: pattern.source !== '\\.node$', encoding: 'utf8' });
  return names
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => join(folder, name));
}
