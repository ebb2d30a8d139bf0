/**
 * Ours against a peer in one run, A B A B: `npm run bench:compare -- NAME --peer PEER [--runs 3] [--python python3] [options]`.
 * The peer is bench/peers/NAME_PEER.py (or .mjs); it takes the same options and prints one JSON object as its last line.
 * Prints the median of every figure that both sides give, and the ratio peer / ours (above 1: we are faster or smaller);
 * of texts, such as hashes, whether they are equal. `--save` also writes them to bench/results/NAME.json, a row a comparison.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

type Figures = Record<string, unknown>;
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const args = process.argv.slice(2);
function take(flag: string, fallback: string): string {
  const at = args.indexOf(flag);
  return at < 0 ? fallback : (args.splice(at, 2)[1] ?? fallback);
}
const peer = take('--peer', '');
const runs = Number(take('--runs', '3'));
const python = take('--python', process.env.MILLRACE_PYTHON ?? 'python3');
const save = args.indexOf('--save');
if (save >= 0) args.splice(save, 1);
const name = args.shift() ?? '';
const script = ['py', 'mjs'].map((end) => here(`./peers/${name}_${peer}.${end}`)).find((path) => existsSync(path));
if (!name || !script) {
  console.error(
    'usage: npm run bench:compare -- vocab|encode|dataset|train --peer PEER (see bench/peers/) [--runs N] [options]',
  );
  process.exit(2);
}

function measure(command: string, argv: string[]): Figures {
  // Nobody is to wait for the disk because of what the one before has written.
  spawnSync('sync');
  const { status, stdout } = spawnSync(command, argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (status !== 0) throw new Error(`${command} ${argv[0]} ended with exit code ${status}`);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Figures;
}
const ours: Figures[] = [];
const theirs: Figures[] = [];
for (let i = 0; i < runs; i++) {
  ours.push(measure(process.execPath, ['--import=tsx', here('./run.ts'), name, ...args, '--json']));
  theirs.push(measure(script.endsWith('.py') ? python : process.execPath, [script, ...args]));
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const round = (value: number) => Number(value.toPrecision(4));
const rows: Record<string, unknown> = {};
console.log(`${name}: millrace against ${peer}, ${runs} runs each in turn, medians`);
for (const key of Object.keys(ours[0] ?? {})) {
  const [a, b] = [ours, theirs].map((side) => side.map((figures) => figures[key])) as [unknown[], unknown[]];
  if (b.includes(undefined)) continue;
  if (a.every((v) => typeof v === 'string')) {
    const same = new Set([...a, ...b]).size === 1;
    console.log(`${key.padEnd(20)} ${same ? 'equal' : 'DIFFERENT'}`);
    rows[key] = same ? 'equal' : 'different';
  }
  if (!a.every((v) => typeof v === 'number') || !b.every((v) => typeof v === 'number')) continue;
  const [x, y] = [median(a as number[]), median(b as number[])];
  console.log(`${key.padEnd(20)} ours ${x}   ${peer} ${y}   ${peer}/ours ${(y / x).toFixed(2)}`);
  rows[key] = [round(x), round(y)];
}
if (save >= 0) {
  const path = here(`./results/${name}.json`);
  const before = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
  const machine = `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.versions.node}`;
  const what = [peer, ...args.map((arg) => (arg.includes('/') ? basename(arg) : arg))].join(' ');
  const all = { ...before, machine, pairs: '[ours, peer]', [what]: { runs, ...rows } };
  writeFileSync(path, `${JSON.stringify(all, null, 1).replace(/\[\n\s+(\S+),\n\s+(\S+)\n\s+\]/g, '[$1, $2]')}\n`);
}
