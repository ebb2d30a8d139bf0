/** A command line in, its events and exit code out; the hashes of what it left. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export type Event = { type: string } & Record<string, unknown>;

export interface Ran {
  code: number | null;
  events: Event[];
  stdout: string;
}

/** Seconds that it has to end by itself what it started, once it was told to. */
const GRACE = 20;

/** The signal has it stopped; it rejects with the signal's reason once the process is gone. */
export function millrace(args: string[], env: Record<string, string>, signal: AbortSignal): Promise<Ran> {
  signal.throwIfAborted();
  // Not in this group, where a signal from a terminal would reach the engine before it.
  const child = spawn(process.execPath, [MAIN, ...args, '--json'], { env: { ...process.env, ...env }, detached: true });
  const kill = () => process.kill(-child.pid!, 'SIGKILL');
  let timer: NodeJS.Timeout | undefined;
  const stop = () => {
    child.kill('SIGTERM');
    timer = setTimeout(kill, GRACE * 1000);
  };
  signal.addEventListener('abort', stop, { once: true });
  const events: Event[] = [];
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (!line.startsWith('{')) return;
    events.push(JSON.parse(line) as Event);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      signal.removeEventListener('abort', stop);
      clearTimeout(timer);
      if (signal.aborted) reject(signal.reason);
      else resolve({ code, events, stdout });
    });
  });
}

/** SHA-256 of each file that the vocabulary and dataset stages left. */
export async function hashes(dir: string): Promise<Record<string, string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const found: Record<string, string> = {};
  for (const path of paths) {
    const name = path.slice(dir.length + 1);
    if (!/^(vocab|causal|mlm)\//.test(name)) continue;
    found[name] = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  }
  return found;
}
