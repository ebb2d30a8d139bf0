/** The commands that docs/engines.md gives for job arrays, run as they stand there; a loop takes the scheduler's place. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { parse } from 'yaml';
import { buildDataset } from '../../src/dataset/build.ts';
import { trainVocab } from '../../src/tokenizer/train.ts';
import { main, millrace } from '../cli/run.ts';
import { writeRecords } from './records.ts';

const PARTITION = 6000;
let dir = '';
let bin = '';
/** The indented blocks of the section on job arrays. */
let commands = '';
let job = '';

test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-array-'));
  bin = join(dir, 'bin');
  await Promise.all([mkdir(join(dir, 'corpus')), mkdir(bin)]);
  await writeRecords(join(dir, 'corpus/a.jsonl'), 200, 3);
  await writeRecords(join(dir, 'corpus/b.jsonl'), 300, 4);
  const script = async (name: string, text: string) => {
    await writeFile(join(bin, name), `#!/usr/bin/env bash\nset -euo pipefail\n${text}\n`);
    await chmod(join(bin, name), 0o755);
  };
  await script('millrace', `exec '${process.execPath}' '${main}' "$@"`);
  await script(
    'sbatch',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: they are the shell's
    'range=${2#--array=}; for i in $(seq "${range%-*}" "${range#*-}"); do SLURM_ARRAY_TASK_ID=$i bash -c "$4"; done',
  );
  const docs = await readFile('docs/engines.md', 'utf8');
  const section = docs.slice(docs.indexOf('## Job arrays'), docs.indexOf('## Costs'));
  const blocks = [...section.matchAll(/(?:^ {4}.*\n|^\n(?= {4}))+/gm)].map(([block]) => block.replace(/^ {4}/gm, ''));
  [commands = '', job = ''] = blocks;
  await trainVocab({ files: [join(dir, 'corpus/*')], kind: 'bpe', vocabSize: 400, out: join(dir, 'local/vocab') });
  const [vocab, out, files] = [join(dir, 'local/vocab'), join(dir, 'local/data'), [join(dir, 'corpus/*')]];
  await buildDataset({ files, vocab, seqLen: 32, out, partitionBytes: PARTITION });
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

const shell = (command: string, env: Record<string, string> = {}) =>
  promisify(execFile)('bash', ['-euo', 'pipefail', '-c', command], {
    cwd: dir,
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, ...env },
  });

/** Hashes of a folder's files; a manifest without the paths of its inputs. */
async function folder(path: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await readdir(path)).sort()) {
    const bytes = await readFile(join(path, name));
    const text = name === 'manifest.json' ? bytes.toString().replaceAll(`${dir}/`, '') : bytes;
    found[name] = createHash('sha256').update(text).digest('hex');
  }
  return found;
}

/** The documented commands for a corpus as small as this one. */
function small(text: string, partitions: Record<string, number>): string {
  return text
    .replace('--size 32000', '--size 400')
    .replace('--seq-len 2048', `--seq-len 32 --partition-bytes ${PARTITION}`)
    .split('\n')
    .map((line) =>
      line.replace('0-511', () => `0-${(partitions[line.includes('stage count') ? 'count' : 'dataset'] ?? 1) - 1}`),
    )
    .join('\n');
}

test.serial('Slurm: an array for the words, an array for the dataset, a merge', async (t) => {
  t.regex(commands, /sbatch .*stage count[\s\S]*sbatch .*stage tokenize,pack,mask[\s\S]*stage merge/);
  await mkdir(join(dir, 'counts'));
  const partitions = (await readdir(join(dir, 'local/data'))).length > 2 ? await count() : 0;
  t.true(partitions > 5);
  await shell(small(commands, { count: 1, dataset: partitions }));
  t.deepEqual(await folder(join(dir, 'vocab')), await folder(join(dir, 'local/vocab')));
  t.deepEqual(await folder(join(dir, 'data')), await folder(join(dir, 'local/data')));
});

async function count(): Promise<number> {
  const how = ['--vocab', join(dir, 'local/vocab'), '--seq-len', '32', '--partition-bytes', `${PARTITION}`];
  const plan = ['--stages', join(dir, 'p.json'), '--out', join(dir, 'nothing'), '--json'];
  const { stdout } = await millrace(['dataset', 'build', join(dir, 'corpus/*'), ...how, ...plan]);
  return (JSON.parse(stdout) as { partitions: number }).partitions;
}

test.serial('Kubernetes: what the pods of an indexed job run', async (t) => {
  const { spec } = parse(job) as {
    spec: { completionMode: string; template: { spec: { containers: { command: string[] }[] } } };
  };
  t.is(spec.completionMode, 'Indexed');
  const [program, flag, line = ''] = spec.template.spec.containers[0]!.command;
  t.deepEqual([program, flag], ['sh', '-c']);
  const partitions = await count();
  await rm(join(dir, 'data'), { recursive: true, force: true });
  await shell(`cp p.json plan.json`);
  for (let i = partitions - 1; i >= 0; i--) {
    await shell(line.replaceAll('/data/', `${dir}/`), { JOB_COMPLETION_INDEX: `${i}` });
  }
  await shell(`millrace stage merge --plan plan.json --out out`);
  t.deepEqual(await folder(join(dir, 'out')), await folder(join(dir, 'local/data')));
});

test.serial('a folder with partitions of another plan is left alone', async (t) => {
  await count();
  const text = await readFile(join(dir, 'p.json'), 'utf8');
  await writeFile(join(dir, 'other.json'), text.replace('"seed":0', '"seed":1'));
  await shell('millrace stage tokenize,pack,mask --plan p.json --partition 0 --read --into mixed > /dev/null');
  const { code, stderr } = await promisify(execFile)(process.execPath, [
    main,
    'stage',
    'tokenize,pack,mask',
    '--plan',
    join(dir, 'other.json'),
    '--partition',
    '1',
    '--read',
    '--into',
    join(dir, 'mixed'),
  ]).then(
    () => ({ code: 0, stderr: '' }),
    (error: { code: number; stderr: string }) => error,
  );
  t.is(code, 64);
  t.regex(stderr, /holds partitions of another plan/);
});
