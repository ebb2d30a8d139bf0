/** The name of an engine in, one check after the other of what it needs on this machine out, the last one a session really started. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { MillraceError } from '../errors.ts';
import { Engine, isEngine, pythonCommand, workerCommand } from './engine.ts';

export interface EngineCheck {
  name: string;
  state: 'ok' | 'missing';
  detail: string;
  remedy?: string;
}

/** `engine`: spark or ray (a session on this machine is tried), or the URL of a cluster. */
export async function* examineEngine(engine: string): AsyncGenerator<EngineCheck> {
  const url = engine === 'spark' ? 'local[1]' : engine;
  if (!isEngine(url)) {
    throw new MillraceError('usage', `--engine ${engine}: no engine`, { hint: 'spark, ray, or the URL of a cluster' });
  }
  const ray = url.startsWith('ray');
  const checks = [
    python(),
    ...(ray ? [module('ray', 2)] : [java(), module('pyspark', 4)]),
    module('pyarrow', 15),
    worker(),
  ];
  yield* checks;
  if (checks.some(({ state }) => state === 'missing')) return;
  yield await session(url);
}

function run(command: string, args: string[]) {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 60_000 });
  return { works: !error && status === 0, text: `${stdout ?? ''}${stderr ?? ''}`.trim(), error };
}

function python(): EngineCheck {
  const name = pythonCommand();
  const { works, text } = run(name, ['-c', 'import sys; print(sys.version.split()[0], sys.executable)']);
  if (works) return { name: 'python', state: 'ok', detail: text };
  const remedy = 'install Python 3.10 or newer, or name one in MILLRACE_PYTHON';
  return { name: 'python', state: 'missing', detail: `${name} can't be run`, remedy };
}

function module(name: string, least: number): EngineCheck {
  const { works, text } = run(pythonCommand(), ['-c', `import ${name}; print(${name}.__version__)`]);
  const version = text.split('\n').at(-1) ?? '';
  const remedy = `${pythonCommand()} -m pip install '${name}>=${least}'`;
  if (!works) return { name, state: 'missing', detail: `Python has no module ${name}`, remedy };
  if (Number.parseInt(version, 10) < least) return { name, state: 'missing', detail: `${version} is too old`, remedy };
  return { name, state: 'ok', detail: version };
}

function java(): EngineCheck {
  const { JAVA_HOME } = process.env;
  const { works, text } = run(JAVA_HOME ? join(JAVA_HOME, 'bin/java') : 'java', ['-version']);
  const remedy =
    'install Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless) and, elsewhere, set JAVA_HOME';
  if (!works) return { name: 'java', state: 'missing', detail: 'there is no Java', remedy };
  const [first = ''] = text.split('\n');
  const major = Number(/version "(\d+)/.exec(text)?.[1] ?? 0);
  return major >= 17
    ? { name: 'java', state: 'ok', detail: first }
    : { name: 'java', state: 'missing', detail: `${first}: too old`, remedy };
}

function worker(): EngineCheck {
  const [command = '', ...args] = workerCommand();
  const { works, text, error } = run(command, [...args, '--version']);
  if (works) return { name: 'worker', state: 'ok', detail: `${[command, ...args].join(' ')}: ${text}` };
  return {
    name: 'worker',
    state: 'missing',
    detail: `${command} can't be started${error ? `: ${error.message}` : ''}`,
    remedy: 'build the package (npm run build), or name the command that starts millrace on workers in MILLRACE_WORKER',
  };
}

async function session(url: string): Promise<EngineCheck> {
  try {
    const engine = await Engine.open({ url });
    await engine.close();
    const { version, cores, startSeconds } = engine;
    return {
      name: 'session',
      state: 'ok',
      detail: `${url}: ${version}, ${cores} cores, after ${startSeconds.toFixed(1)} s`,
    };
  } catch (error) {
    const { message, hint } = error as MillraceError;
    const remedy = hint ?? 'look at its log with `millrace run --engine ... --verbose`';
    return { name: 'session', state: 'missing', detail: message, remedy };
  }
}
