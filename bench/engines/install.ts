/** A machine in, a Python with pyspark and ray and a Java out; what is missing is installed where that is possible. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGES = ['pyspark==4.3.0', 'ray[data]==2.60.0', 'pyarrow==26.0.1'];
const root = fileURLToPath(new URL('../..', import.meta.url));

/** The machine lacks something that can't be installed: what, and why. */
export class Lacking extends Error {}

const works = (command: string, args: string[]) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

function aptGet(...packages: string[]): boolean {
  if (process.getuid?.() !== 0 || !works('apt-get', ['--version'])) return false;
  console.error(`millrace: installing ${packages.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['update', '-qq'], { env, stdio: 'ignore' });
  return spawnSync('apt-get', ['install', '-qq', '-y', '--no-install-recommends', ...packages], { env }).status === 0;
}

/** Throws `Lacking` where there is no Java of at least 17. */
export function needJava(): void {
  const version = () => {
    const java = process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin/java') : 'java';
    const { stderr = '' } = spawnSync(java, ['-version'], { encoding: 'utf8' });
    return Number(/version "(\d+)/.exec(stderr ?? '')?.[1] ?? 0);
  };
  if (version() >= 17) return;
  const tried = ['openjdk-17-jre-headless', 'openjdk-21-jre-headless', 'default-jre-headless'];
  if (tried.some((name) => aptGet(name) && version() >= 17)) return;
  throw new Lacking(
    'there is no Java 17 and it could not be installed (Debian: apt-get install openjdk-17-jre-headless)',
  );
}

/** The path of a Python that has the packages, in a virtual environment under .cache. Throws `Lacking`. */
export function needPython(): string {
  const venv = join(root, '.cache/engines');
  const [path, stamp] = [join(venv, 'bin/python'), join(venv, 'packages.txt')];
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === PACKAGES.join('\n')) return path;
  mkdirSync(dirname(venv), { recursive: true });
  console.error(`millrace: installing ${PACKAGES.join(', ')} into ${venv}`);
  const make = () => works('python3', ['-m', 'venv', '--clear', venv]);
  if (!make() && !(aptGet('python3-venv') && make())) {
    throw new Lacking('`python3 -m venv` does not work (Debian: apt-get install python3-venv)');
  }
  try {
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES];
    execFileSync(path, pip, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  } catch (error) {
    const said = (error as { stderr: string }).stderr.trim().split('\n').at(-1);
    throw new Lacking(`${PACKAGES.join(', ')} could not be installed: ${said}`);
  }
  writeFileSync(stamp, PACKAGES.join('\n'));
  return path;
}
