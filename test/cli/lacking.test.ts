/** Machines that lack something: each is told in one clear line, with a remedy and exit code 3. */
import { spawnSync } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Check } from '../../src/cli/doctor.ts';
import { millrace, root } from './run.ts';

interface Parts {
  /** Source of native/index.cjs; the real one where left out. */
  native?: string;
  /** Content of the runtime's library; null where the package is not installed, the real one where left out. */
  runtime?: string | null;
}

/** The package as it is built, beside other versions of what it stands on; leaves the path of its program. */
async function install({ native, runtime }: Parts): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-lacking-'));
  await cp(join(root, 'dist'), join(dir, 'dist'), { recursive: true });
  await cp(join(root, 'package.json'), join(dir, 'package.json'));
  await mkdir(join(dir, 'node_modules'));
  for (const name of await readdir(join(root, 'node_modules'))) {
    if (runtime === undefined || name !== 'onnxruntime-node')
      await symlink(join(root, 'node_modules', name), join(dir, 'node_modules', name));
  }
  if (native === undefined) await symlink(join(root, 'native'), join(dir, 'native'));
  else {
    await mkdir(join(dir, 'native'));
    await writeFile(join(dir, 'native/index.cjs'), native);
  }
  if (typeof runtime === 'string') {
    const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
    const folder = join(dir, 'node_modules/onnxruntime-node');
    const bin = join(folder, 'bin/napi-v6', process.platform, process.arch);
    await mkdir(bin, { recursive: true });
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'onnxruntime-node', version }));
    const names: Partial<Record<string, string>> = { darwin: 'libonnxruntime.1.dylib', win32: 'onnxruntime.dll' };
    await writeFile(join(bin, names[process.platform] ?? 'libonnxruntime.so.1'), runtime);
  }
  return join(dir, 'dist/cli/main.js');
}

const CASES: [what: string, parts: Parts, missing: string, hint: RegExp][] = [
  ['no native module', { native: 'throw new Error("no binary")' }, 'native module', /npm run build:native.*Rust/],
  ['no runtime', { runtime: null }, 'runtime', /npm install onnxruntime-node/],
  ['a runtime that can’t load', { runtime: 'not a library' }, 'cpu', /npm install onnxruntime-node/],
];
for (const [what, parts, missing, hint] of CASES) {
  test(`doctor: ${what}`, async (t) => {
    const program = await install(parts);
    const { code, stdout, stderr } = await millrace(['doctor'], { program });
    t.is(code, 3, stdout + stderr);
    t.regex(stdout, new RegExp(`^✗ ${missing} `, 'm'));
    t.regex(stderr, new RegExp(`^error: .*${missing}.*\nhint: .*${hint.source}`, 'm'));
    const json = await millrace(['doctor', '--json'], { program });
    t.is(json.code, 3);
    const { ok, checks } = JSON.parse(json.stdout) as { ok: boolean; checks: Check[] };
    t.false(ok);
    t.is(checks.find(({ name }) => name === missing)?.state, 'missing');
  });

  test(`run: ${what}`, async (t) => {
    const program = await install(parts);
    const cwd = await mkdtemp(join(tmpdir(), 'millrace-lacking-'));
    await writeFile(join(cwd, 'a.txt'), 'Call me Ishmael. Some years ago, never mind how long precisely.\n'.repeat(40));
    await writeFile(join(cwd, 'p.yaml'), PIPELINE);
    const { code, stderr } = await millrace(['run', 'p.yaml'], { program, cwd });
    t.is(code, 3, stderr);
    t.regex(stderr, new RegExp(`^error: .*\nhint: .*${hint.source}`, 'm'));
    t.false(stderr.includes('    at '));
  });
}

const PIPELINE = `
name: tiny
stages:
  corpus: { files: [a.txt] }
  vocab: { kind: bpe, vocab_size: 280 }
  dataset: { seq_len: 16, split: { train: 1 } }
  train:
    model: { family: llama, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 }
    optimizer: { lr: 0.001 }
    training: { steps: 1, batch_size: 1 }
`;

/** An import that makes Node say that it is of another version. */
const OLD = `--import=data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"18.20.4"}})`;

test('an old Node', async (t) => {
  const { code, stderr } = await millrace(['doctor'], { node: [OLD] });
  t.is(code, 3);
  t.true(stderr.startsWith('error: Node 18.20.4 is too old\nhint: install Node 20.19 or newer (https://nodejs.org)\n'));
});

/** `npm start` and `npm test` begin with it. */
function prepare({ path = process.env.PATH, node = [] as string[] }) {
  return spawnSync(process.execPath, [...node, join(root, '.ci/prepare.mjs')], {
    env: { ...process.env, PATH: path },
    encoding: 'utf8',
  });
}

test('npm start on an old Node, without Rust, with an old Rust', async (t) => {
  const empty = await mkdtemp(join(tmpdir(), 'millrace-path-'));
  const old = await mkdtemp(join(tmpdir(), 'millrace-path-'));
  await writeFile(join(old, 'cargo'), '#!/bin/sh\necho "cargo 1.80.0 (376290515 2024-07-16)"\n');
  await chmod(join(old, 'cargo'), 0o755);
  for (const [run, line] of [
    [prepare({ node: [OLD] }), /^millrace: Node 18\.20\.4 is too old; install Node 20\.19 or newer.*\n$/],
    [prepare({ path: empty }), /^millrace: no Rust toolchain was found \(cargo\); install one from https:.*\n$/],
    [prepare({ path: old }), /^millrace: Rust 1\.80 is too old; run `rustup update`.*\n$/],
  ] as const) {
    t.is(run.status, 3, run.stderr);
    t.regex(run.stderr, line);
  }
});
