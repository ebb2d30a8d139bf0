/**
 * The stages on Spark and Ray against the local run: `npm run test:engines [-- --mb 8] [--files GLOB] [--only spark|ray]`.
 * Starts a master and two workers on 127.0.0.1, builds a vocabulary, a causal and a masked dataset three ways, compares the
 * hash of every file, kills workers in the middle, takes node away from them, ends what it started.
 * Exit codes: 0 all holds, 1 something doesn't, 3 the machine lacks what can't be installed; stopped by a signal it ends
 * what it started too, and then by 128 and the signal's number.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Cluster, startSpark } from './engines/cluster.ts';
import { makeCorpus } from './engines/corpus.ts';
import { Lacking, needJava, needPython } from './engines/install.ts';
import { hashes, MAIN, millrace } from './engines/millrace.ts';
import { isStopped, untilSignal } from './engines/signals.ts';

const HELD = fileURLToPath(new URL('engines/held.mjs', import.meta.url));

const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '8' },
    files: { type: 'string' },
    'partition-bytes': { type: 'string' },
    only: { type: 'string', default: 'spark,ray' },
  },
});

const failures: string[] = [];
function check(what: string, holds: boolean, detail = ''): void {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}${holds || !detail ? '' : `: ${detail}`}`);
  if (!holds) failures.push(what);
}

function pipeline(files: string): string {
  const usual = values.files ? 32 << 20 : Math.max(1 << 20, Number(values.mb) * 40_000);
  const how = `partition_bytes: ${values['partition-bytes'] ?? usual}, max_rejects: 5`;
  return `name: engines
stages:
  corpus: { files: ['${files}']${values.files ? ', format: line' : ''} }
  vocab:
    vocab_size: 8000
    special_tokens: ['<|endoftext|>', '[PAD]', '[CLS]', '[SEP]', '[MASK]']
  causal: { uses: dataset, seq_len: 512, ${how}, clean: { dedup: true${values.files ? '' : ', near_dedup: 0.9'} } }
  mlm: { uses: dataset, task: mlm, seq_len: 128, masking: static, whole_word: true, ${how} }
`;
}

const proc = (pid: number, file: string) => {
  const path = `/proc/${pid}/${file}`;
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};

/** Ids of the processes that a process descends from, the nearest first. */
function ancestors(pid: number): number[] {
  const parent = (child: number) => Number(/\) \S (\d+)/.exec(proc(child, 'stat'))?.[1] ?? 0);
  const found: number[] = [];
  for (let at = parent(pid); at > 1; at = parent(at)) found.push(at);
  return found;
}

const commandOf = (pid: number) => proc(pid, 'cmdline').replaceAll('\0', ' ');

/** Waits for a stage that is held, then kills the process above it whose command line is like this. */
async function killAbove(file: string, pattern: RegExp, done: () => boolean): Promise<number | undefined> {
  while (!done()) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
    const found = pid > 0 ? ancestors(pid).find((one) => pattern.test(commandOf(one))) : undefined;
    if (found === undefined) continue;
    process.kill(found, 'SIGKILL');
    return found;
  }
  return undefined;
}

async function main(signal: AbortSignal): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-engines-'));
  let cluster: Cluster | undefined;
  try {
    const python = needPython();
    const wanted = values.only.split(',');
    if (wanted.includes('spark')) needJava();
    const files = values.files ?? join(dir, 'corpus/*');
    if (!values.files) await makeCorpus(join(dir, 'corpus'), Number(values.mb), python);
    const path = join(dir, 'p.yaml');
    await writeFile(path, pipeline(files));
    const run = (name: string, args: string[] = [], env: Record<string, string> = {}) =>
      millrace(['run', path, '--set', `out=${join(dir, name)}`, ...args], { MILLRACE_PYTHON: python, ...env }, signal);

    const local = await run('local');
    if (local.code !== 0) throw new Error(`the local run failed: ${local.stdout}`);
    const expected = await hashes(join(dir, 'local'));
    const count = Object.keys(expected).length;
    const same = async (name: string, ran: { code: number | null; stdout: string }) => {
      check(`${name}: the run ends well`, ran.code === 0, ran.stdout);
      const found = await hashes(join(dir, name)).catch((): Record<string, string> => ({}));
      const names = Object.keys({ ...expected, ...found });
      const different = names.filter((key) => expected[key] !== found[key]);
      check(`${name}: ${count} files have the local hashes`, count > 6 && different.length === 0, different.join(' '));
    };

    for (const kind of wanted) {
      if (kind === 'spark') cluster = await startSpark(python, 2, dir, signal);
      const [url, conf, above] = cluster
        ? [cluster.url, 'spark.executor.memory=1g', /CoarseGrainedExecutorBackend/]
        : ['ray', 'num_cpus=2', /ray::/];
      const engine = ['--engine', url, '--engine-conf', conf];
      await same(kind, await run(kind, engine));

      const held = join(dir, `${kind}-held`);
      let ended = false;
      const running = run(`${kind}-killed`, engine, { MILLRACE_WORKER: `${process.execPath} ${HELD} ${held} ${MAIN}` });
      const hurting = running.finally(() => {
        ended = true;
      });
      hurting.catch(() => {}); // it is awaited below
      const killed = await killAbove(held, above, () => ended);
      const hurt = await hurting;
      check(`${kind}: a worker was killed in the middle of a partition`, killed !== undefined, hurt.stdout);
      await same(`${kind}-killed`, hurt);

      const lacking = await run(`${kind}-lacking`, engine, { MILLRACE_WORKER: '/nowhere/node millrace' });
      const { error } = JSON.parse(lacking.stdout) as { error?: { code: string; message: string } };
      const line = /^[^\n]*can't start \/nowhere\/node: [^\n]*; install Node [^\n]*$/;
      check(
        `${kind}: a worker that can't start node says so in one line`,
        lacking.code === 3 && line.test(error?.message ?? ''),
        lacking.stdout,
      );
      await cluster?.stop();
      cluster = undefined;
    }
  } finally {
    await cluster?.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

try {
  await main(untilSignal());
  if (failures.length > 0) {
    console.error(`millrace: ${failures.length} checks failed: ${failures.join('; ')}`);
    process.exitCode = 1;
  }
} catch (error) {
  if (isStopped(error)) {
    console.error(`millrace: the tests on engines were ${error.message}`);
    process.exitCode = error.exitCode;
  } else if (error instanceof Lacking) {
    console.error(`millrace: NOT RUN: the tests on engines, since ${error.message}`);
    process.exitCode = 3;
  } else throw error;
}
