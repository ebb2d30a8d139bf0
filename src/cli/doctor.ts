/** A machine in, one check after the other out. `absent` is what Millrace can do without, `missing` what it can't. */
import { spawn } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { bytes } from './format.ts';

export interface Check {
  name: string;
  state: 'ok' | 'absent' | 'missing';
  detail: string;
  remedy?: string;
}

export async function* examine({ dir }: { dir: string }): AsyncGenerator<Check> {
  yield node({ version: process.versions.node });
  yield await tried('native module', async () => {
    const { native } = await import('../native.ts');
    return `${Object.keys(native()).length} exports, ${process.platform} ${process.arch}`;
  });
  yield await tried('runtime', async () => {
    const { findRuntime } = await import('../train/library.ts');
    const library = findRuntime();
    return `ONNX Runtime: ${library.replace(/^.*node_modules\//, '')}`;
  });
  for (const device of ['cpu', 'cuda', 'webgpu']) yield ofDevice(await probe(device));
  yield await tried('disk', async () => disk(dir));
  const [free, total] = [freemem(), totalmem()];
  yield {
    name: 'memory',
    state: 'ok',
    detail: `${bytes(free)} free of ${bytes(total)}, ${availableParallelism()} cores`,
  };
}

/** In a process of its own: a driver that writes to stderr isn't heard, and one that takes its process down ends only that. */
function probe(device: string): Promise<DeviceReport> {
  const path = fileURLToPath(new URL(`./probe.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, path, device], { stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const lost = { device, works: false, reason: `the process that tried it ended with ${signal ?? `code ${code}`}` };
      resolve(said === '' ? lost : (JSON.parse(said) as DeviceReport));
    });
  });
}

export interface DeviceReport {
  device: string;
  works: boolean;
  reason?: string;
  remedy?: string;
}

export function node({ version }: { version: string }): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const old = major < 20 || (major === 20 && minor < 19);
  const check: Check = { name: 'node', state: old ? 'missing' : 'ok', detail: version };
  return old ? { ...check, remedy: 'install Node 20.19 or newer (https://nodejs.org)' } : check;
}

/** A device that doesn't work is a lack only where it is the CPU. */
export function ofDevice({ device, works, reason, remedy }: DeviceReport): Check {
  if (works) return { name: device, state: 'ok', detail: 'a session ran and computed what it should' };
  return {
    name: device,
    state: device === 'cpu' ? 'missing' : 'absent',
    detail: short(reason ?? 'no reason given'),
    ...(remedy === undefined ? {} : { remedy }),
  };
}

async function disk(dir: string): Promise<string> {
  const { bavail, bsize, blocks } = await statfs(dir);
  return `${bytes(bavail * bsize)} free of ${bytes(blocks * bsize)} at ${dir}`;
}

async function tried(name: string, work: () => Promise<string>): Promise<Check> {
  try {
    return { name, state: 'ok', detail: await work() };
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string };
    return { name, state: 'missing', detail: short(message), ...(hint === undefined ? {} : { remedy: hint }) };
  }
}

const short = (text: string) => {
  const [first = ''] = text.split('\n');
  return first.length > 160 ? `${first.slice(0, 157)}...` : first;
};
