/** A Python with pyspark and ray, a Spark master and workers on 127.0.0.1: made, started, and ended by their ids. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGES = ['pyspark==4.3.0', 'ray==2.60.0', 'pyarrow>=15', 'pandas'];
const root = fileURLToPath(new URL('../..', import.meta.url));

/** The path of a Python that has the packages: MILLRACE_ENGINES_VENV, or a virtual environment made under .cache. */
export function python(): string {
  const venv = process.env.MILLRACE_ENGINES_VENV ?? join(root, '.cache/engines');
  const path = join(venv, 'bin/python');
  const stamp = join(venv, 'packages.txt');
  if (process.env.MILLRACE_ENGINES_VENV) return path;
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === PACKAGES.join('\n')) return path;
  mkdirSync(join(root, '.cache'), { recursive: true });
  console.error(`millrace: installing ${PACKAGES.join(', ')} into ${venv}`);
  execFileSync('python3', ['-m', 'venv', venv], { stdio: ['ignore', 'inherit', 'inherit'] });
  execFileSync(path, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  writeFileSync(stamp, PACKAGES.join('\n'));
  return path;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

export interface Cluster {
  url: string;
  /** Ids of the executors that run now. */
  executors(): number[];
  stop(): Promise<void>;
}

/** A standalone master and workers of one core each. */
export async function startSpark(
  python: string,
  { workers, folder }: { workers: number; folder: string },
): Promise<Cluster> {
  const home = execFileSync(python, ['-c', 'import os, pyspark; print(os.path.dirname(pyspark.__file__))'], {
    encoding: 'utf8',
  }).trim();
  const port = await freePort();
  const url = `spark://127.0.0.1:${port}`;
  const env = { ...process.env, SPARK_HOME: home, SPARK_LOCAL_IP: '127.0.0.1', SPARK_LOG_DIR: folder };
  const launch = async (args: string[], ready: RegExp): Promise<ChildProcess> => {
    // A group of its own, so that what it starts can be ended with it.
    const child = spawn(join(home, 'bin/spark-class'), args, {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    await new Promise<void>((resolve, reject) => {
      const listen = (chunk: Buffer) => {
        said += chunk;
        if (ready.test(said)) resolve();
      };
      child.stdout!.on('data', listen);
      child.stderr!.on('data', listen);
      child.on('error', reject);
      child.on('exit', (code) => reject(new Error(`${args[0]} ended with ${code}: ${said.slice(-2000)}`)));
      setTimeout(() => reject(new Error(`${args[0]} isn't ready after 90 s: ${said.slice(-2000)}`)), 90_000).unref();
    });
    return child;
  };
  const children: ChildProcess[] = [];
  const stop = async () => {
    for (const child of children.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      try {
        process.kill(-child.pid!, 'SIGTERM');
      } catch {}
      const timer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
    }
  };
  try {
    const deploy = 'org.apache.spark.deploy';
    const web = ['--host', '127.0.0.1', '--webui-port', '0'];
    children.push(
      await launch(
        [`${deploy}.master.Master`, ...web, '--port', `${port}`],
        /I have been elected leader|New state: ALIVE/,
      ),
    );
    for (let i = 0; i < workers; i++) {
      const own = ['--cores', '1', '--memory', '1536m', '--work-dir', join(folder, `worker-${i}`)];
      children.push(
        await launch([`${deploy}.worker.Worker`, ...web, ...own, url], /Successfully registered with master/),
      );
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const executors = () => {
    const { stdout } = spawnSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' });
    const ours = new Set(children.map((child) => child.pid));
    return stdout.split('\n').flatMap((line) => {
      const [, pid, parent, args = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
      return ours.has(Number(parent)) && args.includes('CoarseGrainedExecutorBackend') ? [Number(pid)] : [];
    });
  };
  return { url, executors, stop };
}
