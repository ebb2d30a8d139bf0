import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { MillraceError } from '../../src/errors.ts';
import { loadPipeline } from '../../src/pipeline/load.ts';
import { plan } from '../../src/pipeline/plan.ts';
import { type RunOptions, runPipeline } from '../../src/pipeline/run.ts';
import { readState } from '../../src/pipeline/state.ts';
import { stages } from './fake.ts';

const YAML = `name: demo
out: $OUT
stages:
  corpus: { files: [$A, $B] }
  vocab:
  train: { steps: 2 }
  report:
`;

class Place {
  readonly dir: string;
  constructor(dir: string) {
    this.dir = dir;
  }
  static async make(yaml = YAML): Promise<Place> {
    const place = new Place(await mkdtemp(join(tmpdir(), 'millrace-pipeline-')));
    await writeFile(join(place.dir, 'a.txt'), 'hello');
    await writeFile(join(place.dir, 'b.txt'), 'world');
    await place.write(yaml);
    return place;
  }
  async write(yaml: string): Promise<void> {
    const text = yaml
      .replace('$OUT', () => join(this.dir, 'run'))
      .replace('$A', () => join(this.dir, 'a.txt'))
      .replace('$B', () => join(this.dir, 'b.txt'));
    await writeFile(join(this.dir, 'p.yaml'), text);
  }
  load(overrides: string[] = []) {
    return loadPipeline(join(this.dir, 'p.yaml'), { stages, overrides });
  }
  /** Runs, and says which stages did any work. */
  async run(options: RunOptions = {}, overrides: string[] = []): Promise<string> {
    const { stages: all } = await runPipeline(await this.load(overrides), options);
    return all
      .filter(({ ran }) => ran)
      .map(({ stage }) => stage)
      .join(' ');
  }
  async results(): Promise<Record<string, string>> {
    const { stages } = await readState(join(this.dir, 'run'));
    return Object.fromEntries(Object.entries(stages).map(([name, { result }]) => [name, result]));
  }
}

const ALL = 'corpus vocab train report';

for (const [what, change, expected, reason] of [
  ['nothing', async () => {}, '', undefined],
  ['one byte of one input', (p) => writeFile(join(p.dir, 'b.txt'), 'worle'), ALL, 'b.txt changed'],
  [
    'an input touched, bytes the same',
    async (p) => {
      await sleep(20);
      await writeFile(join(p.dir, 'b.txt'), 'world');
    },
    '',
    undefined,
  ],
  [
    'a key of vocab',
    (p) => p.write(YAML.replace('vocab:', 'vocab: { upper: true }')),
    'vocab train report',
    'upper: false is now true',
  ],
  ['a key of train', (p) => p.write(YAML.replace('steps: 2', 'steps: 4')), 'train report', 'steps: 2 is now 4'],
  ['a default written out', (p) => p.write(YAML.replace('vocab:', 'vocab: { upper: false }')), '', undefined],
  [
    'only the layout and comments',
    (p) => p.write(`# a comment\n${YAML.replace('{ steps: 2 }', '\n    steps: 2')}`),
    '',
    undefined,
  ],
  ['an output of vocab deleted', (p) => rm(join(p.dir, 'run/vocab/letters.txt')), 'vocab', 'vocab/letters.txt is gone'],
  [
    'an output of vocab changed',
    (p) => writeFile(join(p.dir, 'run/vocab/letters.txt'), 'x'),
    'vocab',
    'vocab/letters.txt was changed',
  ],
  [
    'an output that may differ deleted',
    (p) => rm(join(p.dir, 'run/vocab/time.txt')),
    'vocab',
    'vocab/time.txt is gone',
  ],
  ['an output that may differ changed', (p) => writeFile(join(p.dir, 'run/vocab/time.txt'), 'x'), '', undefined],
  ['the report deleted', (p) => rm(join(p.dir, 'run/report.html')), 'report', 'report.html is gone'],
  [
    'a checkpoint changed',
    (p) => writeFile(join(p.dir, 'run/checkpoints/1.txt'), 'x'),
    'train',
    'checkpoints/1.txt was changed',
  ],
  [
    'bytes swapped between inputs: other corpus, equal vocabulary',
    async (p) => {
      await writeFile(join(p.dir, 'a.txt'), 'world');
      await writeFile(join(p.dir, 'b.txt'), 'hello');
    },
    'corpus vocab train report',
    'a.txt changed',
  ],
] as [string, (place: Place) => Promise<void>, string, string | undefined][]) {
  test(`only what changed runs: ${what}`, async (t) => {
    const place = await Place.make();
    t.is(await place.run(), ALL);
    t.is(await place.run(), '');
    await change(place);
    const verdicts = await plan(await place.load(), await readState(join(place.dir, 'run')));
    const stale = verdicts.filter(({ status }) => status !== 'fresh').map(({ stage }) => stage);
    if (expected === '') t.deepEqual(stale, []);
    else
      t.true(
        verdicts.some(({ reasons }) => reasons.some((r) => reason !== undefined && r.includes(reason))),
        JSON.stringify(verdicts),
      );
    t.is(await place.run(), expected);
    t.is(await place.run(), '');
  });
}

test('a stage whose inputs come out the same needn’t run again', async (t) => {
  const place = await Place.make();
  await place.run();
  // A corpus of other bytes, but the vocabulary made of it is the same letters: report and train see the corpus, so they run.
  const yaml = YAML.replace('  train: { steps: 2 }\n', '').replace(
    '  report:\n',
    '  again: { uses: vocab, from: { corpus: corpus } }\n',
  );
  await place.write(yaml);
  t.is(await place.run(), 'again');
});

test('results lie where the run folder has them', async (t) => {
  const place = await Place.make();
  await place.run();
  t.deepEqual((await readdir(join(place.dir, 'run'))).sort(), [
    '.lock',
    'checkpoints',
    'corpus',
    'events.1',
    'model.txt',
    'pipeline.json',
    'pipeline.yaml',
    'report.html',
    'vocab',
  ]);
  t.is(await readFile(join(place.dir, 'run/report.html'), 'utf8'), 'corpus vocab train');
});

test('targets, from, only, force', async (t) => {
  const place = await Place.make();
  t.is(await place.run({ targets: ['vocab'] }), 'corpus vocab');
  t.is(await place.run({ only: 'train' }), 'train');
  t.is(await place.run(), 'report');
  t.is(await place.run({ only: 'vocab', force: true }), 'vocab');
  t.is(await place.run({ from: 'train', force: true }), 'train report');
  t.is(await place.run({ force: true }), ALL);
  await writeFile(join(place.dir, 'a.txt'), 'other');
  t.is(await place.run({ from: 'vocab' }), '');
  t.is(await place.run(), ALL);
  const error = await t.throwsAsync(place.run({ only: 'vocap' }), { instanceOf: MillraceError });
  t.is(error.hint, "did you mean 'vocab'?");
});

test('only needs what is above it to be there', async (t) => {
  const place = await Place.make();
  const error = await t.throwsAsync(place.run({ only: 'train' }), { instanceOf: MillraceError });
  t.regex(error.message, /stage 'train' needs the result of 'vocab'/);
});

test('a failed stage leaves the others’ results', async (t) => {
  const place = await Place.make(YAML.replace('  train:', '  broken:\n  train:'));
  await t.throwsAsync(place.run(), { message: 'broken on purpose' });
  t.deepEqual(Object.keys(await place.results()), ['corpus', 'vocab']);
  await place.write(YAML);
  t.is(await place.run(), 'train report');
});

test('a result of equal cause is taken over from another run', async (t) => {
  const [one, two] = [await Place.make(), await Place.make()];
  await one.run();
  const yaml = YAML.replace('[$A, $B]', `[${join(one.dir, 'a.txt')}, ${join(one.dir, 'b.txt')}]`);
  await two.write(yaml.replace('steps: 2', 'steps: 3'));
  t.is(await two.run({ donors: [join(one.dir, 'run')] }), 'train report');
  t.is((await two.results()).vocab, (await one.results()).vocab);
});

for (const stage of ['corpus', 'vocab', 'train']) {
  test(`kill -9 in ${stage}, run again: the same results`, async (t) => {
    const whole = await Place.make();
    await whole.run();
    const expected = await whole.results();
    const cut = await Place.make();
    const child = spawn(
      process.execPath,
      [
        '--import=tsx',
        fileURLToPath(new URL('./child.ts', import.meta.url)),
        join(cut.dir, 'p.yaml'),
        `stages.${stage}.slow=1500`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    for await (const chunk of child.stdout) if (String(chunk).includes(`"${stage}"`)) break;
    await sleep(300);
    // While it lives nobody else gets in.
    const refused = await t.throwsAsync(cut.run({}, [`stages.${stage}.slow=1500`]), { instanceOf: MillraceError });
    t.regex(refused.message, /another run works in .*process \d+/);
    child.kill('SIGKILL');
    await once(child, 'exit');
    t.false(stage in (await cut.results()));
    const again = await runPipeline(await cut.load([`stages.${stage}.slow=1500`]));
    t.true(again.stages.find((s) => s.stage === stage)!.ran);
    const results = await cut.results();
    // Paths differ between the two folders, but no path is part of a result.
    t.deepEqual(results, expected);
    t.deepEqual(
      (await readdir(join(cut.dir, 'run'))).filter((name) => name.startsWith('.tmp')),
      [],
    );
    await mkdir(join(cut.dir, 'done'));
  });
}

for (const [what, yaml, message, hint] of [
  [
    'unknown stage kind',
    YAML.replace('vocab:', 'vocap:'),
    /'stages\.vocap\.uses' must be one of/,
    "did you mean 'vocab'?",
  ],
  [
    'unknown key',
    YAML.replace('steps: 2', 'step: 2'),
    /p\.yaml:6: unknown key 'step' in 'stages\.train'/,
    "did you mean 'steps'?",
  ],
  [
    'no such input',
    YAML.replace('vocab:', 'vocab: { from: { corpus: korpus } }'),
    /stage 'vocab': no stage 'korpus' above it/,
    "did you mean 'corpus'?",
  ],
  [
    'no such role',
    YAML.replace('vocab:', 'vocab: { from: { korpus: corpus } }'),
    /stage 'vocab': takes no 'korpus'/,
    "did you mean 'corpus'?",
  ],
  [
    'missing above',
    YAML.replace('  vocab:\n', ''),
    /stage 'train': nothing above it gives a vocab/,
    'add a stage of kind vocab above it',
  ],
  [
    'wrong kind',
    YAML.replace('{ steps: 2 }', '{ from: { vocab: corpus } }'),
    /'corpus' can't be its vocab/,
    'a vocab comes from a stage of kind vocab',
  ],
] as [string, string, RegExp, string][]) {
  test(`a pipeline that makes no sense is refused: ${what}`, async (t) => {
    const place = await Place.make(yaml);
    const error = await t.throwsAsync(place.load(), { instanceOf: MillraceError, message });
    t.is(error.hint, hint);
    t.is(error.code, 'config');
  });
}
