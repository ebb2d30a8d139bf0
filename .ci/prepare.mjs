// Makes a fresh checkout ready: checks the machine, installs what package-lock.json names, builds both languages.
// Plain JavaScript without dependencies, so that it runs before anything is installed. Exit code 3: the machine lacks something.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

process.chdir(new URL('..', import.meta.url).pathname);

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

const stamp = 'node_modules/.millrace-lock';
const lock = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex');
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  step('installing packages', 'npm', ['ci', '--no-fund', '--no-audit']);
  writeFileSync(stamp, lock);
}
step('building the native crate (a few minutes the first time)', 'npm', ['run', '--silent', 'build:native']);
step('building TypeScript', 'npm', ['run', '--silent', 'build:ts']);
