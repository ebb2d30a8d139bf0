import { execFileSync, spawnSync } from 'node:child_process';
import { openSync, writeSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { explain } from '../../src/cli/explain.ts';
import { verbs } from '../../src/cli/registry.ts';
import { exitCode } from '../../src/errors.ts';
import { main, millrace } from './run.ts';

const dir = await mkdtemp(join(tmpdir(), 'millrace-cli-'));

for (const { name, summary } of verbs()) {
  test(`millrace ${name} --help`, async (t) => {
    const { code, stdout, stderr } = await millrace([name, '--help']);
    t.is(code, 0, stderr);
    t.true(stdout.startsWith(`Usage: millrace ${name} `), stdout);
    t.true(stdout.includes(summary));
    t.regex(stdout, /--json/);
    t.is((await millrace(['help', name])).stdout, stdout);
  });
  test(`millrace ${name} with a wrong flag`, async (t) => {
    const { code, stdout, stderr } = await millrace([name, '--no-such-flag']);
    t.is(code, 2, stderr);
    t.is(stdout, '');
    t.regex(stderr, /^error: (unknown option '--no-such-flag'|.*missing|required option|unknown command)/);
    t.true(stderr.includes(`hint: see \`millrace ${name} --help\``), stderr);
  });
}

for (const [what, args, code, message, hint] of [
  ['no command', [], 2, /^Usage: millrace/, undefined],
  ['unknown command', ['rum'], 2, /error: unknown command 'rum'/, /did you mean run\?/],
  ['flag with a typo', ['run', 'x.yaml', '--forse'], 2, /error: unknown option '--forse'/, /did you mean --force\?/],
  ['missing argument', ['status'], 2, /error: missing required argument 'pipeline'/, /millrace status --help/],
  [
    'wrong type of an option',
    ['watch', '.', '--port', 'many'],
    2,
    /error: option .*--port.* 'many' is invalid\. It must be a whole number/,
    /millrace watch --help/,
  ],
  ['option out of range', ['watch', '.', '--port', '99999'], 2, /It must be 65535 or less/, /millrace watch --help/],
  ['missing pipeline', ['run', 'nowhere.yaml'], 1, /error: no such file: nowhere\.yaml/, /check the path/],
  ['missing run', ['report', 'nowhere'], 1, /error: no run in nowhere/, /name a run folder/],
  ['missing folder', ['watch', 'nowhere'], 1, /error: no such folder: nowhere/, /check the path/],
  [
    'unknown recipe',
    ['recipes', 'copy', 'quikstart'],
    2,
    /error: no recipe 'quikstart'/,
    /did you mean 'quickstart'\?/,
  ],
  ['unknown shell', ['completion', 'tcsh'], 2, /error: no completion for 'tcsh'/, /bash, zsh and fish/],
  ['unknown schema', ['schema', 'x'], 2, /error: no schema for 'x'/, /pipeline/],
  [
    'vocabulary of nothing',
    ['vocab', 'train', 'nowhere/*.txt', '--size', '300', '--out', 'v'],
    1,
    /no file matches nowhere/,
    undefined,
  ],
] as [string, string[], number, RegExp, RegExp | undefined][]) {
  test(`exit code and message: ${what}`, async (t) => {
    const plain = await millrace(args, { cwd: dir });
    t.is(plain.code, code, plain.stderr);
    t.regex(plain.stderr, message);
    if (hint) t.regex(plain.stderr, new RegExp(`^hint: .*${hint.source}`, 'm'));
    t.false(plain.stderr.includes('    at '), 'no stack for a known error');
    if (!hint || args.length === 0) return;
    const { stdout, code: again } = await millrace([...args, '--json'], { cwd: dir });
    t.is(again, code);
    t.regex((JSON.parse(stdout) as { error: { hint: string } }).error.hint, hint);
  });
}

const PIPELINE = 'name: x\nstages:\n  corpus: { files: [a.txt] }\n';

const CASES: [string, string, RegExp, RegExp | undefined][] = [
  [
    'wrong YAML key',
    PIPELINE.replace('files', 'fils'),
    /: unknown key 'fils' in 'stages\.corpus'/,
    /did you mean 'files'\?/,
  ],
  ['wrong type', PIPELINE.replace('[a.txt]', '3'), /:3: 'stages\.corpus\.files' must be a list, not 3/, undefined],
  ['broken YAML', PIPELINE.replace(']', ''), /:\d+:\d+: /, /mend the YAML/],
  ['no name', PIPELINE.replace('name: x\n', ''), /:1: 'name' is missing \(text\)/, undefined],
];
for (const [i, [what, text, message, hint]] of CASES.entries()) {
  test(`a pipeline that is wrong: ${what}`, async (t) => {
    const path = join(dir, `p-${i}.yaml`);
    await writeFile(path, text);
    for (const verb of ['run', 'status']) {
      const { code, stderr } = await millrace([verb, path]);
      t.is(code, 2, stderr);
      t.regex(stderr, message);
      if (hint) t.regex(stderr, hint);
    }
  });
}

test('a full disk behind stdout is an error, with a remedy', (t) => {
  const { status, stderr } = spawnSync(process.execPath, [main, 'schema'], {
    stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
    encoding: 'utf8',
  });
  t.is(status, 1);
  t.regex(stderr, /error: no space left on the device/);
  t.regex(stderr, /hint: free some space/);
});

test('a full disk behind a file is explained', (t) => {
  const error = t.throws(() => writeSync(openSync('/dev/full', 'w'), 'x'));
  const known = explain(error);
  t.is(known.code, 'io');
  t.is(exitCode(known), 1);
  t.regex(known.message, /no space left on the device/);
});

test('a folder that can’t be written to', async (t) => {
  // A file where a folder is needed stops every user, root included; a folder without rights stops all others.
  await writeFile(join(dir, 'file'), '');
  const { code, stderr } = await millrace(['recipes', 'copy', 'quickstart', '--out', join(dir, 'file', 'x.yaml')]);
  t.is(code, 1, stderr);
  t.regex(stderr, /error: a file stands where a folder is needed/);
  t.regex(stderr, /hint: choose another path/);
  const closed = join(dir, 'closed');
  await mkdir(closed);
  await chmod(closed, 0o500);
  const known = explain(Object.assign(new Error('EACCES'), { code: 'EACCES', path: closed }));
  t.is(known.message, `permission denied: ${closed}`);
});

test('the reader may leave early', (t) => {
  const out = execFileSync('bash', ['-c', `set -o pipefail; "${process.execPath}" "${main}" schema | head -1`], {
    encoding: 'utf8',
  });
  t.is(out, '{\n');
});

test('--no-color and NO_COLOR', async (t) => {
  const colour = String.fromCharCode(27);
  t.true((await millrace(['rum'], { env: { FORCE_COLOR: '1', NO_COLOR: '' } })).stderr.includes(colour));
  t.false((await millrace(['rum', '--no-color'], { env: { FORCE_COLOR: '1' } })).stderr.includes(colour));
  t.false((await millrace(['rum'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } })).stderr.includes(colour));
});
