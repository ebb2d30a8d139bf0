/**
 * The stages on Spark and Ray against the local run: `npm run test:engines [-- --mb 24] [--only spark|ray] [--out FILE]`.
 * Starts a master and two workers on 127.0.0.1, builds a vocabulary, a causal and a masked dataset three ways, compares the
 * hash of every file, kills an executor in the middle, takes node away from the workers, ends what it started.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Cluster, python as findPython, startSpark } from './engines/cluster.ts';
import { makeCorpus } from './engines/corpus.ts';

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

type Event = { type: string } & Record<string, unknown>;
interface Ran {
  code: number | null;
  events: Event[];
  stdout: string;
}

const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '24' },
    files: { type: 'string' },
    'partition-bytes': { type: 'string' },
    only: { type: 'string', default: 'spark,ray' },
    out: { type: 'string' },
  },
});
const only = values.only.split(',');
const failures: string[] = [];

function check(what: string, holds: boolean, detail = ''): void {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}${holds || !detail ? '' : `: ${detail}`}`);
  if (!holds) failures.push(what);
}

async function main(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-engines-'));
  const python = findPython();
  let cluster: Cluster | undefined;
  try {
    const files = values.files ?? join(dir, 'corpus/*');
    if (!values.files) await makeCorpus(join(dir, 'corpus'), Number(values.mb), python);
    const path = join(dir, 'p.yaml');
    await writeFile(path, pipeline(files));
    const run = (name: string, args: string[] = [], onEvent?: (event: Event) => void, env = {}) =>
      millrace(['run', path, '--json', '--set', `out=${join(dir, name)}`, ...args], onEvent, {
        MILLRACE_PYTHON: python,
        ...env,
      });
    const report: Record<string, unknown> = {};
    const local = await run('local');
    if (local.code !== 0) throw new Error(`the local run failed: ${local.stdout}`);
    const expected = await hashes(join(dir, 'local'));
    report.local = seconds(local.events);
    const same = async (name: string) => {
      const found = await hashes(join(dir, name)).catch(() => ({}));
      const different = Object.keys({ ...expected, ...found }).filter(
        (key) => expected[key] !== (found as typeof expected)[key],
      );
      check(
        `${name}: ${Object.keys(expected).length} files have the local hashes`,
        different.length === 0,
        different.join(' '),
      );
    };

    if (only.includes('spark')) {
      cluster = await startSpark(python, { workers: 2, folder: dir });
      const engine = ['--engine', cluster.url, '--engine-conf', 'spark.executor.memory=1g'];
      const spark = await run('spark', engine);
      check('spark: ends well', spark.code === 0, spark.stdout);
      await same('spark');
      report.spark = seconds(spark.events);

      let killed: number | undefined;
      const hurt = await run('killed', engine, (event) => {
        if (event.type !== 'stage-start' || event.stage !== 'causal') return;
        setTimeout(() => {
          killed = cluster!.executors()[0];
          if (killed !== undefined) process.kill(killed, 'SIGKILL');
        }, 1500);
      });
      const [started, ended] = ['stage-start', 'stage-end'].map((type) =>
        hurt.events.find((event) => event.type === type && event.stage === 'causal'),
      );
      check(
        'killed: an executor was killed while it had work',
        killed !== undefined && started !== undefined && ended !== undefined,
      );
      check('killed: ends well', hurt.code === 0, hurt.stdout);
      await same('killed');
      await cluster.stop();
      cluster = undefined;

      const lacking = await run('lacking', ['--engine', 'local[2]'], undefined, {
        MILLRACE_WORKER: '/nowhere/node millrace',
      });
      const { error } = JSON.parse(lacking.stdout) as { error?: { code: string; message: string } };
      check(
        'a worker without node: one line that says so',
        lacking.code === 3 &&
          /can't start \/nowhere\/node/.test(error?.message ?? '') &&
          !error!.message.includes('\n'),
        lacking.stdout,
      );
    }
    if (only.includes('ray')) {
      const ray = await run('ray', ['--engine', 'ray', '--engine-conf', 'num_cpus=2']);
      check('ray: ends well', ray.code === 0, ray.stdout);
      await same('ray');
      report.ray = seconds(ray.events);
    }
    const figures = {
      megabytes: Number(values.mb),
      files: values.files,
      cpu: cpus()[0]?.model,
      cores: availableParallelism(),
      ...report,
    };
    console.log(JSON.stringify(figures, undefined, 1));
    if (values.out) await writeFile(values.out, `${JSON.stringify(figures, undefined, 1)}\n`);
  } finally {
    await cluster?.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

function pipeline(files: string): string {
  const bytes =
    values['partition-bytes'] ?? (values.files ? undefined : String(Math.max(1 << 20, Number(values.mb) * 40_000)));
  const partition = bytes === undefined ? '' : `partition_bytes: ${bytes}, `;
  return `name: engines
stages:
  corpus: { files: ['${files}']${values.files ? ', format: line' : ''} }
  vocab:
    vocab_size: 8000
    special_tokens: ['<|endoftext|>', '[PAD]', '[CLS]', '[SEP]', '[MASK]']
  causal: { uses: dataset, seq_len: 512, ${partition}max_rejects: 5, clean: { dedup: true } }
  mlm: { uses: dataset, task: mlm, seq_len: 128, masking: static, whole_word: true, ${partition}max_rejects: 5 }
`;
}

function millrace(args: string[], onEvent?: (event: Event) => void, env = {}): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
  const events: Event[] = [];
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (!line.startsWith('{')) return;
    const event = JSON.parse(line) as Event;
    events.push(event);
    onEvent?.(event);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, events, stdout }));
  });
}

/** Seconds by stage, and of each job within. */
function seconds(events: Event[]): Record<string, number> {
  const found: Record<string, number> = {};
  let stage = '';
  for (const event of events) {
    if (event.type === 'stage-start') stage = String(event.stage);
    if (event.type === 'stage-end') found[String(event.stage)] = round(event.seconds);
    if (event.type === 'engine-start') found.start = round(event.seconds);
    if (event.type === 'engine-job') found[`${stage} ${event.job}`] = round(event.seconds);
  }
  return found;
}

const round = (value: unknown) => Math.round(Number(value) * 100) / 100;

/** SHA-256 of all that the stages left, times apart. */
async function hashes(dir: string): Promise<Record<string, string>> {
  const names = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const found: Record<string, string> = {};
  for (const { parentPath, name } of names) {
    const path = join(parentPath, name).slice(dir.length + 1);
    if (!/^(vocab|causal|mlm)\//.test(path)) continue;
    found[path] = createHash('sha256')
      .update(await readFile(join(dir, path)))
      .digest('hex');
  }
  return found;
}

await main();
if (failures.length > 0) {
  console.error(`millrace: ${failures.length} checks failed: ${failures.join('; ')}`);
  process.exitCode = 1;
}
