/** Runs the command line as a person does: as it is built, in a process of its own. */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { withLock } from '../../src/pipeline/lock.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const main = join(root, 'dist/cli/main.js');

/** `npm test` builds first; a single test file run by hand finds its sources built here, by one process at a time. */
function build(): void {
  const newest = Math.max(
    ...readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => statSync(join(root, 'src', name)).mtimeMs),
  );
  if ((statSync(main, { throwIfNoEntry: false })?.mtimeMs ?? 0) >= newest) return;
  const { status, stdout } = spawnSync('npm', ['run', '--silent', 'build:ts'], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(stdout);
}
for (let done = false; !done; ) {
  done = await withLock(join(root, 'dist'), async () => build()).then(
    () => true,
    (error: Error) => {
      if (!error.message.startsWith('another run')) throw error;
      return sleep(100).then(() => false);
    },
  );
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** So many at once, whatever a file's tests start side by side. */
let room = 3;
const waiting: (() => void)[] = [];

export async function millrace(args: string[], options: RunOptions = {}): Promise<Ended> {
  if (room === 0) await new Promise<void>((resolve) => waiting.push(resolve));
  else room--;
  try {
    return await start(args, options);
  } finally {
    const next = waiting.shift();
    if (next) next();
    else room++;
  }
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  stdin?: string;
  program?: string;
  node?: string[];
  /** What to run in place of Node: a shell that limits it, say. It gets Node and its arguments. */
  under?: string[];
  /** Sent when stderr or stdout has said this. */
  interrupt?: { signal: NodeJS.Signals; after: RegExp };
}

function start(args: string[], options: RunOptions): Promise<Ended> {
  const [command = '', ...before] = [...(options.under ?? []), process.execPath];
  const child = spawn(command, [...before, ...(options.node ?? []), options.program ?? main, ...args], {
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: '', FORCE_COLOR: '', ...options.env },
  });
  let [stdout, stderr] = ['', ''];
  const { interrupt } = options;
  let sent = false;
  const look = () => {
    if (!interrupt || sent || !interrupt.after.test(stdout + stderr)) return;
    sent = true;
    child.kill(interrupt.signal);
  };
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    look();
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
    look();
  });
  child.stdin.on('error', () => {}); // it ended before it read
  child.stdin.end(options.stdin ?? '');
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
