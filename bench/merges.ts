/**
 * Whether our merges are Hugging Face's, all of them and in order, on the first megabytes of each corpus and on whole ones:
 * `node --import=tsx bench/merges.ts --python PYTHON [--mb 10] [--size 32000] [--whole FILE] FILE...`. Prints for each the
 * number of merges and the hash on both sides; ends with exit code 1 where they differ. Special tokens are cut out of the
 * text here and counted as text there, so the one that is used stands in no corpus.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { run } from './vocab.ts';

const { values, positionals } = parseArgs({
  options: {
    python: { type: 'string', default: process.env.MILLRACE_PYTHON ?? 'python3' },
    mb: { type: 'string', default: '10' },
    size: { type: 'string', default: '32000' },
    whole: { type: 'string', multiple: true, default: [] },
  },
  allowPositionals: true,
});
const peer = fileURLToPath(new URL('./peers/vocab_hf.py', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'millrace-merges-'));

/** The first megabytes of a file, cut behind a line, as a file. */
function sample(path: string): string {
  const bytes = Buffer.alloc(Math.trunc(Number(values.mb) * 1e6));
  const file = openSync(path, 'r');
  const read = readSync(file, bytes, 0, bytes.length, 0);
  closeSync(file);
  const out = join(folder, basename(path));
  writeFileSync(out, bytes.subarray(0, bytes.lastIndexOf(10, read - 1) + 1));
  return out;
}

interface Merges {
  merges: number;
  mergesHash: string;
}

let different = 0;
async function compare(name: string, path: string) {
  const args = ['--corpus', path, '--size', values.size, '--special', '<|no such token|>'];
  const ours = (await run(args)) as unknown as Merges;
  const { status, stdout } = spawnSync(values.python, [peer, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`${peer} ended with exit code ${status}`);
  const theirs = JSON.parse(stdout) as Merges;
  const same = ours.merges === theirs.merges && ours.mergesHash === theirs.mergesHash;
  different += same ? 0 : 1;
  const side = ({ merges, mergesHash }: Merges) => `${merges} merges ${mergesHash}`;
  console.log(`${name.padEnd(24)} ours ${side(ours)}   hf ${side(theirs)}   ${same ? 'equal' : 'DIFFERENT'}`);
}

try {
  for (const path of positionals) await compare(`${basename(path)}, ${values.mb} MB`, sample(path));
  for (const path of values.whole) await compare(`${basename(path)}, whole`, path);
} finally {
  rmSync(folder, { recursive: true });
}
process.exit(different || positionals.length + values.whole.length === 0 ? 1 : 0);
