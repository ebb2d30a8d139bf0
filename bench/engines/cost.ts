/**
 * What an engine costs, stage by stage: `node --import=tsx bench/engines/cost.ts --file TEXT [--out bench/results/engines.json]`.
 * A file of a document a line in; for each stage the seconds of the engine's own scan of it (`mapInArrow` over every batch,
 * nothing done), of the local run on as many threads, and of the stage on the engine, in turn, medians of `--rounds`. The session is
 * started and each job run once before. Processor seconds are the whole machine's: nothing else may run.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type BuildDatasetOptions, buildDataset } from '../../src/dataset/build.ts';
import { Engine } from '../../src/engine/engine.ts';
import { mergeStages } from '../../src/engine/merge.ts';
import { type PlannedStages, planCountStages, planDatasetStages } from '../../src/engine/plan.ts';
import { callNative } from '../../src/native.ts';
import { trainVocab } from '../../src/tokenizer/train.ts';
import { countWords } from '../../src/tokenizer/words.ts';
import { startSpark } from './cluster.ts';
import { needJava, needPython } from './install.ts';
import { untilSignal } from './signals.ts';

const { values } = parseArgs({
  options: {
    file: { type: 'string' },
    only: { type: 'string', default: 'spark,ray' },
    stages: { type: 'string', default: 'count,causal,mlm' },
    rounds: { type: 'string', default: '3' },
    'partition-bytes': { type: 'string', default: '25000000' },
    out: { type: 'string' },
  },
});
if (values.file === undefined) throw new Error('--file TEXT is missing');
const files = [values.file];
const partitionBytes = Number(values['partition-bytes']);
const dir = await mkdtemp(join(tmpdir(), 'millrace-cost-'));
const vocab = join(dir, 'vocab');

interface Figure {
  seconds: number;
  cpuSeconds: number;
}

/** Seconds of all processors since the machine started, idle ones left out. */
function busy(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, soft = 0] = readFileSync('/proc/stat', 'utf8')
    .split(/\s+/)
    .slice(1, 8)
    .map(Number);
  return (user + nice + system + irq + soft) / 100;
}

async function timed(work: () => Promise<unknown>): Promise<Figure> {
  const [begun, used] = [performance.now(), busy()];
  await work();
  return { seconds: (performance.now() - begun) / 1000, cpuSeconds: busy() - used };
}

const median = (list: number[]) => list.toSorted((a, b) => a - b)[list.length >> 1]!;
const round = (value: number) => Math.round(value * 1000) / 1000;

interface Stage {
  name: string;
  stages: PlannedStages;
  /** What the local run does. */
  local(): Promise<unknown>;
  /** The steps of ours, their output dropped. */
  steps: string;
  /** All of it; `plan` is the path of the plan, `text` what it holds. */
  whole(engine: Engine, plan: string, text: string): Promise<unknown>;
}

async function dataset(name: string, how: Pick<BuildDatasetOptions, 'seqLen' | 'task'>): Promise<Stage> {
  const options = { files, format: 'line' as const, vocab, out: join(dir, name), partitionBytes, ...how };
  const stages = await planDatasetStages(options);
  return {
    name,
    stages,
    local: () => buildDataset({ ...options, out: join(dir, `${name}-local`), threads: 2 }),
    steps: 'tokenize,pack,mask',
    async whole(engine, plan, text) {
      const { portions } = stages;
      callNative((native) => native.openStages(options.out, text));
      await engine.run({ job: 'build', plan, portions, out: options.out });
      await mergeStages({ plan, out: options.out, inputs: [] });
    },
  };
}

async function stagesOf(): Promise<Stage[]> {
  const special = ['<|endoftext|>', '[PAD]', '[CLS]', '[SEP]', '[MASK]'];
  const how = { split: 'gpt2', normalizer: 'none', specialTokens: special };
  await trainVocab({ files, format: 'line', kind: 'bpe', vocabSize: 16_000, specialTokens: special, out: vocab });
  const [counts] = await planCountStages({ files, format: 'line' }, { ...how, partitionBytes });
  const out = join(dir, 'words.counts');
  const count: Stage = {
    name: 'count',
    stages: counts!,
    local: () => countWords({ files, format: 'line', ...how, threads: 2, out }),
    steps: 'count',
    async whole(engine, plan) {
      const made = `split=${how.split} normalizer=${how.normalizer}`;
      await engine.run({ job: 'count', plan, portions: counts!.portions, out: `${out}.arrows`, made });
      await countWords({ counts: [`${out}.arrows`], ...how, out: `${out}.merged` });
    },
  };
  const all = [
    count,
    await dataset('causal', { seqLen: 1024 }),
    await dataset('mlm', { seqLen: 128, task: { kind: 'mlm', masking: 'static', wholeWord: true } }),
  ];
  return all.filter(({ name }) => values.stages.split(',').includes(name));
}

/** One engine: the session's start, then each stage. */
async function measure(url: string, conf: Record<string, string>, python: string, stages: Stage[]) {
  const engine = await Engine.open({ url, conf, python, signal });
  try {
    const rows: Record<string, unknown> = {};
    for (const { name, stages: planned, local, steps, whole } of stages) {
      // No two runs have the same plan, to the byte: so none finds a process that has worked on this text before.
      let runs = 0;
      const onEngine = (work: (plan: string, text: string) => Promise<unknown>) => async () => {
        const text = planned.text + '\n'.repeat(runs++);
        const plan = join(dir, `${name}.json`);
        await writeFile(plan, text);
        return work(plan, text);
      };
      const drop = (what: string) =>
        onEngine((plan) => engine.run({ job: 'measure', plan, portions: planned.portions, steps: what }));
      const ways: Record<string, () => Promise<unknown>> = {
        scan: drop('scan'),
        same: drop('same'),
        local,
        stage: drop(steps),
        whole: onEngine((plan, text) => whole(engine, plan, text)),
      };
      const found = Object.fromEntries(Object.keys(ways).map((way) => [way, [] as Figure[]]));
      for (let n = 0; n <= Number(values.rounds); n++) {
        for (const [way, work] of Object.entries(ways)) {
          const figure = await timed(work);
          if (n > 0) found[way]!.push(figure);
        }
      }
      const of = (way: string, what: keyof Figure) => median(found[way]!.map((figure) => figure[what]));
      const over = (way: string, base: string) =>
        round(of(way, 'seconds') / (of(base, 'seconds') + of('local', 'seconds')) - 1);
      rows[name] = {
        seconds: Object.fromEntries(Object.keys(ways).map((way) => [way, round(of(way, 'seconds'))])),
        cpuSeconds: Object.fromEntries(Object.keys(ways).map((way) => [way, round(of(way, 'cpuSeconds'))])),
        'stage / (scan + local) - 1': over('stage', 'scan'),
        'stage / (same + local) - 1': over('stage', 'same'),
      };
      console.error(JSON.stringify({ url, name, ...(rows[name] as object) }));
    }
    return {
      version: engine.version,
      startSeconds: round(engine.startSeconds),
      partitions: stages[0]!.stages.portions.length,
      ...rows,
    };
  } finally {
    await engine.close();
  }
}

const signal = untilSignal();
const python = needPython();
const report: Record<string, unknown> = {
  cpu: cpus()[0]?.model,
  cores: availableParallelism(),
  node: process.version,
  megabytes: round(readFileSync(values.file).length / 1e6),
  partitionBytes,
  rounds: Number(values.rounds),
};
try {
  const stages = await stagesOf();
  if (values.only.includes('spark')) {
    needJava();
    const begun = performance.now();
    const cluster = await startSpark(python, 2, dir, signal);
    const clusterSeconds = round((performance.now() - begun) / 1000);
    try {
      const conf = { 'spark.executor.memory': '1g' };
      report.spark = { clusterSeconds, ...(await measure(cluster.url, conf, python, stages)) };
    } finally {
      await cluster.stop();
    }
  }
  if (values.only.includes('ray')) report.ray = await measure('ray', { num_cpus: '2' }, python, stages);
} finally {
  await rm(dir, { recursive: true, force: true });
}
const text = `${JSON.stringify(report, undefined, 1)}\n`;
if (values.out) await writeFile(values.out, text);
console.log(text);
