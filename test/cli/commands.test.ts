/** Every command in a table: a line that works, and what each way to get it wrong must say. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import test from 'ava';
import type { Node } from '../../src/cli/completion.ts';
import { commandTree } from '../../src/cli/tree.ts';
import { fullDisk, readOnly } from './full.ts';
import { millrace, type RunOptions } from './run.ts';
import { makeWorld } from './world.ts';

interface Row {
  /** A line that works in the folder of world.ts. OUT is a path that isn't there yet. */
  line: string;
  stdin?: string;
  /** Lines that make ready what it needs, with the same OUT. */
  before?: string[];
  /** The same with a file that isn't there: what is said of it. */
  missing?: [line: string, message: RegExp];
  /** An option with a value of the wrong type. */
  wrong?: string;
  /** It writes to OUT. */
  writes?: true;
  /** Reads this YAML file. */
  yaml?: string;
}

const NO_MODEL = /no folder nowhere/;
const NO_VOCAB = /nowhere/;
const TEXT = 'The whale saw the ship.\n';

const ROWS: Record<string, Row> = {
  run: {
    line: 'run lm.yaml --set out=OUT',
    missing: ['run nowhere.yaml', /no such file: nowhere.yaml/],
    writes: true,
    yaml: 'lm.yaml',
  },
  status: { line: 'status lm.yaml', missing: ['status nowhere.yaml', /no such file: nowhere.yaml/], yaml: 'lm.yaml' },
  'vocab train': {
    line: 'vocab train text.txt --size 300 --out OUT',
    missing: ['vocab train nowhere.txt --size 300 --out OUT', /no file matches nowhere.txt/],
    wrong: 'vocab train text.txt --size many --out OUT',
    writes: true,
  },
  'vocab count': {
    line: 'vocab count text.txt --out OUT',
    missing: ['vocab count nowhere.txt --out OUT', /no file matches nowhere.txt/],
    wrong: 'vocab count text.txt --out OUT --threads many',
    writes: true,
  },
  'vocab show': { line: 'vocab show lm/vocab text.txt', missing: ['vocab show nowhere', NO_VOCAB] },
  'vocab convert': {
    line: 'vocab convert lm/vocab --to gpt2 --out OUT',
    missing: ['vocab convert nowhere --to gpt2 --out OUT', NO_VOCAB],
    writes: true,
  },
  'vocab extend': {
    line: 'vocab extend lm/vocab text.txt --size 320 --out OUT',
    missing: ['vocab extend nowhere text.txt --size 320 --out OUT', NO_VOCAB],
    wrong: 'vocab extend lm/vocab text.txt --size many --out OUT',
    writes: true,
  },
  'vocab prune': {
    line: 'vocab prune lm/vocab text.txt --size 290 --out OUT',
    missing: ['vocab prune nowhere text.txt --size 290 --out OUT', NO_VOCAB],
    wrong: 'vocab prune lm/vocab text.txt --size many --out OUT',
    writes: true,
  },
  encode: {
    line: 'encode lm/vocab',
    stdin: TEXT,
    missing: ['encode nowhere', NO_VOCAB],
    wrong: 'encode lm/vocab --threads many',
  },
  decode: {
    line: 'decode lm/vocab',
    stdin: '1 2 3\n',
    missing: ['decode nowhere', NO_VOCAB],
    wrong: 'decode lm/vocab --format many',
  },
  'dataset build': {
    line: 'dataset build text.txt --format line --vocab lm/vocab --seq-len 16 --split 0.9,0.1 --out OUT',
    missing: ['dataset build nowhere.txt --vocab lm/vocab --seq-len 16 --out OUT', /no file matches nowhere.txt/],
    wrong: 'dataset build text.txt --vocab lm/vocab --seq-len many --out OUT',
    writes: true,
  },
  'dataset show': {
    line: 'dataset show lm/dataset --vocab lm/vocab',
    missing: ['dataset show nowhere', /nowhere: there is no dataset here/],
    wrong: 'dataset show lm/dataset --rows many',
  },
  'dataset verify': { line: 'dataset verify lm/dataset', missing: ['dataset verify nowhere', /nowhere/] },
  'stage merge': {
    before: [
      'dataset build text.txt --format line --vocab lm/vocab --seq-len 16 --split 0.9,0.1 --stages stages.json --out OUT',
      'stage tokenize,pack,mask --plan stages.json --partition 0 --read --into OUT',
    ],
    line: 'stage merge --plan stages.json --out OUT',
    missing: ['stage merge --plan nowhere.json --out OUT', /the plan nowhere.json can't be read/],
    wrong: 'stage merge --plan stages.json --out OUT --max-rejects many',
  },
  train: {
    line: 'train recipe.yaml --out OUT',
    missing: ['train nowhere.yaml', /no such file: nowhere.yaml/],
    wrong: 'train recipe.yaml --max-steps many',
    writes: true,
    yaml: 'recipe.yaml',
  },
  finetune: {
    line: 'finetune finetune.yaml --set out=OUT',
    missing: ['finetune nowhere.yaml', /no such file: nowhere.yaml/],
    wrong: 'finetune finetune.yaml --max-steps many',
    writes: true,
    yaml: 'finetune.yaml',
  },
  evaluate: { line: 'evaluate lm', missing: ['evaluate nowhere', NO_MODEL], wrong: 'evaluate lm --batch-size many' },
  sample: { line: 'sample lm --prompt The -n 4', missing: ['sample nowhere', NO_MODEL], wrong: 'sample lm -n many' },
  translate: {
    line: 'translate s2s',
    stdin: 'whale 1\n',
    missing: ['translate nowhere', NO_MODEL],
    wrong: 'translate s2s --beams many',
  },
  classify: {
    line: 'classify bert/finetune',
    stdin: TEXT,
    missing: ['classify nowhere', NO_MODEL],
    wrong: 'classify bert --batch-size many',
  },
  fill: {
    line: 'fill bert',
    stdin: 'The [MASK] saw.\n',
    missing: ['fill nowhere', NO_MODEL],
    wrong: 'fill bert -k many',
  },
  embed: {
    line: 'embed bert',
    stdin: TEXT,
    missing: ['embed nowhere', NO_MODEL],
    wrong: 'embed bert --batch-size many',
  },
  export: {
    line: 'export lm --out OUT',
    missing: ['export nowhere --out OUT', NO_MODEL],
    wrong: 'export lm --out OUT --format many',
    writes: true,
  },
  report: { line: 'report lm --out OUT', missing: ['report nowhere', /no run in nowhere/], writes: true },
  watch: {
    line: 'watch lm --port 0',
    missing: ['watch nowhere', /no such folder: nowhere/],
    wrong: 'watch lm --port many',
  },
  'recipes list': { line: 'recipes list' },
  'recipes copy': { line: 'recipes copy quickstart --out OUT', wrong: 'recipes copy quikstart', writes: true },
  schema: { line: 'schema recipe', wrong: 'schema many' },
  doctor: { line: 'doctor', missing: ['doctor --dir nowhere', /nowhere/] },
  completion: { line: 'completion bash', wrong: 'completion tcsh' },
};

const leaves = (await commandTree()).flatMap(function flat(node: Node): { path: string; node: Node }[] {
  const inner = node.commands
    .flatMap(flat)
    .map(({ path, node: leaf }) => ({ path: `${node.name} ${path}`, node: leaf }));
  return inner.length > 0 ? inner : [{ path: node.name, node }];
});

let cwd: string;
test.before(async () => {
  cwd = await makeWorld();
});
test.after.always(() => cwd && rm(cwd, { recursive: true, force: true }));

let outs = 0;
const newOut = (folder = join(cwd, 'out')) => join(folder, `out${outs++}`);
/** The words of a line; OUT is a path of its own each time. */
function words(line: string, out = newOut()): string[] {
  return line.split(' ').map((word) => word.replace(/\bOUT\b/, () => out));
}

/** Runs a row's own line; a watcher is stopped once it listens. */
async function works({ before = [], line, stdin }: Row, more: string[], options: RunOptions = {}) {
  const interrupt = { signal: 'SIGINT' as const, after: /http:\/\/127/ };
  const out = newOut();
  for (const first of before) await millrace(words(first, out), { cwd });
  return millrace([...words(line, out), ...more], {
    cwd,
    ...(stdin === undefined ? {} : { stdin }),
    ...(line.startsWith('watch') ? { interrupt } : {}),
    ...options,
  });
}

const lines = (text: string) => text.split('\n').filter((line) => line !== '');

test('every command is in the table', (t) => {
  t.deepEqual(
    // What `stage` itself writes is a stream: test/engine/stage.test.ts.
    leaves.map(({ path }) => path).filter((path) => path !== 'stage' && !(path in ROWS)),
    [],
    'add its line to ROWS',
  );
});

for (const { path } of leaves) {
  test(`${path}: --help and a wrong flag`, async (t) => {
    const help = await millrace([...path.split(' '), '--help']);
    t.is(help.code, 0, help.stderr);
    t.true(help.stdout.startsWith(`Usage: millrace ${path} `), help.stdout);
    for (const flag of ['--json', '--quiet', '--verbose', '--no-color']) t.true(help.stdout.includes(flag), flag);
    const wrong = await millrace([...path.split(' '), '--no-such-flag']);
    t.is(wrong.code, 2, wrong.stderr);
    t.is(wrong.stdout, '');
    t.regex(wrong.stderr, /^error: (unknown option '--no-such-flag'|.*missing|required option|.*not specified)/);
    t.true(wrong.stderr.includes(`see \`millrace ${path} --help\``), wrong.stderr);
  });
}

test('evaluate scores a fine-tuned model on other examples', async (t) => {
  const { code, stdout, stderr } = await millrace(['evaluate', 'bert/finetune', '--data', 'labelled.jsonl', '--json'], {
    cwd,
  });
  t.is(code, 0, stderr);
  const { items, confusion } = JSON.parse(stdout) as { items: number; confusion: number[][] };
  t.is(items, 40);
  t.is(
    confusion.flat().reduce((a, b) => a + b),
    40,
  );
});

for (const [path, row] of Object.entries(ROWS)) {
  test(`${path}: --json is one object on stdout and JSON lines on stderr`, async (t) => {
    const { code, stdout, stderr } = await works(row, ['--json']);
    t.is(code, 0, stderr);
    t.is(lines(stdout).length, 1, stdout.slice(0, 300));
    t.is(typeof JSON.parse(stdout), 'object');
    for (const line of lines(stderr)) t.is(typeof (JSON.parse(line) as { type: string }).type, 'string', line);
  });

  test(`${path}: --quiet says nothing on stderr; NO_COLOR leaves colours out`, async (t) => {
    const { code, stderr } = await works(row, ['--quiet']);
    t.is(code, 0, stderr);
    t.is(stderr, '');
    const plain = await works(row, [], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } });
    t.is(plain.code, 0, plain.stderr);
    t.is(stripVTControlCharacters(plain.stdout + plain.stderr), plain.stdout + plain.stderr);
  });

  const { missing, wrong, yaml, writes } = row;
  if (missing) {
    test(`${path}: a file that isn’t there`, async (t) => {
      const [line, message] = missing;
      const { code, stdout, stderr } = await millrace(words(line), { cwd, stdin: row.stdin ?? '' });
      t.is(code, 1, stdout + stderr);
      t.regex(stderr, message);
      t.regex(stderr, /^hint: ./m);
      t.false(stderr.includes('    at '), 'no stack for a known error');
      const json = await millrace([...words(line), '--json'], { cwd, stdin: row.stdin ?? '' });
      t.is(json.code, 1);
      const { error } = JSON.parse(json.stdout) as { error: { code: string; message: string; hint: string } };
      t.regex(error.message, message);
      t.true(error.hint.length > 0);
    });
  }
  if (wrong) {
    test(`${path}: a value of the wrong type`, async (t) => {
      const { code, stdout, stderr } = await millrace(words(wrong), { cwd });
      t.is(code, 2, stdout + stderr);
      t.regex(stderr, /^error: .*(many|tcsh|quikstart)/m);
      t.regex(stderr, /^hint: ./m);
    });
  }
  if (yaml) {
    test(`${path}: a wrong key and a wrong type in its YAML`, async (t) => {
      for (const [set, message] of [
        ['sede=1', /unknown key 'sede'/],
        ['out=[1]', /'out' must be text/],
      ] as const) {
        const { code, stderr } = await millrace([path, yaml, '--set', set], { cwd });
        t.is(code, 2, stderr);
        t.regex(stderr, message);
        t.regex(stderr, /^hint: ./m);
      }
      const broken = join(cwd, `broken-${path}.yaml`);
      await writeFile(broken, 'name: [x\n');
      const { code, stderr } = await millrace([path, broken], { cwd });
      t.is(code, 2, stderr);
      t.regex(stderr, /broken-\w+\.yaml:\d+:\d+: .*\nhint: mend the YAML there/);
    });
  }
  if (writes) {
    test(`${path}: a full disk and folders that can’t be written to`, async (t) => {
      const blocked = join(cwd, 'text.txt');
      for (const place of [fullDisk(), readOnly(), { under: [], dir: blocked, message: /./, hint: /./ }]) {
        if (!place) continue;
        const { code, stdout, stderr } = await millrace(words(row.line, newOut(place.dir)), {
          cwd,
          under: place.under,
        });
        const said = `${place.dir}\n${stdout}${stderr}`;
        t.is(code, 1, said);
        t.regex(stderr, place.message, said);
        t.regex(stderr, new RegExp(`^hint: .*${place.hint.source}`, 'm'), said);
        t.false(stderr.includes('    at '), said);
      }
    });
  }
}
