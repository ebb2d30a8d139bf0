// Makes a fresh checkout ready: checks the machine, installs what package-lock.json names, builds both languages.
// Plain JavaScript without dependencies, so that it runs before anything is installed. Exit code 3: the machine lacks something.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

function lacking(message, remedy) {
  console.error(`millrace: ${message}; ${remedy}`);
  process.exit(3);
}

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  lacking(`Node ${process.versions.node} is too old`, 'install Node 20.19 or newer (https://nodejs.org)');
}
const cargo = spawnSync('cargo', ['--version'], { encoding: 'utf8' });
if (cargo.error || cargo.status !== 0) {
  lacking('no Rust toolchain was found (cargo)', 'install one from https://rustup.rs, then open a new shell');
}
const [, rustMajor, rustMinor] = /cargo (\d+)\.(\d+)/.exec(cargo.stdout) ?? [];
if (Number(rustMajor) === 1 && Number(rustMinor) < 92) {
  lacking(`Rust 1.${rustMinor} is too old`, 'run `rustup update` (1.92 or newer is needed)');
}

function step(title, command, args) {
  console.error(`millrace: ${title}`);
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error || status !== 0) {
    console.error(`millrace: \`${[command, ...args].join(' ')}\` failed${error ? `: ${error.message}` : ''}`);
    process.exit(1);
  }
}

/** Runs `work` unless it was done for the very same bytes of `inputs` (files and folders) and `made` is still there. */
function unlessDone(stamp, inputs, made, work) {
  const hash = createHash('sha256');
  const add = (path) => {
    if (statSync(path).isDirectory()) for (const name of readdirSync(path).sort()) add(`${path}/${name}`);
    else hash.update(`${path}\0`).update(readFileSync(path));
  };
  for (const input of inputs) add(input);
  const key = hash.update(`${process.versions.node} ${cargo.stdout}`).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key && made()) return;
  work();
  writeFileSync(stamp, key);
}

unlessDone(
  'node_modules/.millrace-lock',
  ['package-lock.json'],
  () => true,
  () => step('installing packages', 'npm', ['ci', '--no-fund', '--no-audit']),
);
unlessDone(
  'native/target/.millrace-built',
  ['native/src', 'native/Cargo.toml', 'native/Cargo.lock', 'native/build.rs', 'package-lock.json'],
  () => existsSync('native/index.cjs') && readdirSync('native').some((name) => name.endsWith('.node')),
  () => step('building the native crate (a few minutes the first time)', 'npm', ['run', '--silent', 'build:native']),
);
step('building TypeScript', 'npm', ['run', '--silent', 'build:ts']);
