import { spawnSync } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { main } from './run.ts';

/** User and system CPU time of one start in milliseconds: what the program costs, however busy the machine is. */
function cpu(args: string[]): number {
  const out = spawnSync('bash', ['-c', `TIMEFORMAT='%U %S'; time "$0" "$@" > /dev/null`, process.execPath, ...args], {
    encoding: 'utf8',
  });
  const [user = 0, system = 0] = out.stderr.trim().split(/\s+/).slice(-2).map(Number);
  return 1000 * (user + system);
}

test('millrace --help starts in less than 150 ms, or where Node alone is slow in less than 2.5 times that', (t) => {
  const [ours, node]: [number[], number[]] = [[], []];
  for (let i = 0; i < 7; i++) {
    ours.push(cpu([main, '--help']));
    node.push(cpu(['-e', '0']));
  }
  const [took, bare] = [ours, node].map((times) => times.sort((a, b) => a - b)[3]!) as [number, number];
  t.log(`CPU time, median of 7: ${took.toFixed(0)} ms (of which Node itself ${bare.toFixed(0)} ms)`);
  t.true(took < Math.max(150, 2.5 * bare), ours.join(' '));
});

test('a verb that doesn’t train loads neither the runtime nor the native module', async (t) => {
  // A module that writes down what is loaded, put before the program.
  const spy = join(await mkdtemp(join(tmpdir(), 'millrace-spy-')), 'spy.cjs');
  await writeFile(
    spy,
    `const { Module } = require('node:module');
     const load = Module._load;
     Module._load = function (name, ...rest) {
       // A package's version may be read; that loads nothing.
       if (/onnxruntime|#native|\\.node$/.test(name) && !name.endsWith('/package.json')) process.stderr.write('LOADED ' + name + '\\n');
       return load.call(this, name, ...rest);
     };
     process.on('exit', () => {
       const maps = process.platform === 'linux' ? require('node:fs').readFileSync('/proc/self/maps', 'utf8') : '';
       if (/libonnxruntime/.test(maps)) process.stderr.write('MAPPED libonnxruntime\\n');
     });`,
  );
  const start = (args: string[]) =>
    spawnSync(process.execPath, ['--require', spy, main, ...args], { encoding: 'utf8' });
  for (const args of [
    ['--help'],
    ['completion', 'bash'],
    ['schema'],
    ['recipes', 'list'],
    ['run', '--help'],
    ['status', 'quickstart'],
  ]) {
    const { stderr, status } = start(args);
    t.is(status, 0, stderr);
    t.false(stderr.includes('LOADED'), `${args.join(' ')}: ${stderr}`);
  }
  // Those that work on text load the native module, but not ONNX Runtime; training does.
  const dir = join(spy, '..');
  for (const args of [
    ['vocab', 'train', spy, '--size', '300', '--out', join(dir, 'vocab')],
    ['vocab', 'show', join(dir, 'vocab')],
    ['encode', join(dir, 'vocab')],
    [
      'dataset',
      'build',
      spy,
      '--format',
      'line',
      '--vocab',
      join(dir, 'vocab'),
      '--seq-len',
      '8',
      '--split',
      '1',
      '--out',
      join(dir, 'rows'),
    ],
    ['dataset', 'verify', join(dir, 'rows')],
  ]) {
    const { stderr, status } = start(args);
    t.is(status, 0, stderr);
    t.regex(stderr, /LOADED #native/, 'the spy sees');
    t.false(/onnxruntime/.test(stderr), `${args.join(' ')}: ${stderr}`);
  }
  if (process.platform === 'linux')
    t.regex(start(['run', 'attention', '--set', `out=${join(dir, 'run')}`]).stderr, /MAPPED libonnxruntime/);
});
