/** A Python with pyspark in, a Spark master and workers on 127.0.0.1 out; they are ended by their ids. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

export interface Cluster {
  url: string;
  /** Ends its processes, by their groups. */
  stop(): Promise<void>;
}

/** Resolves once the process has said that it is ready; rejects where it ends first, or is to be started no more. */
function ready(child: ChildProcess, name: string, pattern: RegExp, signal: AbortSignal): Promise<void> {
  let said = '';
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${name} ${why}: ${said.slice(-2000)}`));
    const timer = setTimeout(() => fail("isn't ready after 90 s"), 90_000);
    const listen = (chunk: Buffer) => {
      said = (said + chunk).slice(-10_000);
      if (!pattern.test(said)) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout!.on('data', listen);
    child.stderr!.on('data', listen);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    child.on('error', reject);
    child.on('exit', (code) => fail(`ended with ${code}`));
  });
}

/** A standalone master and workers of one core each. `folder` gets their logs; the signal ends their start. */
export async function startSpark(
  python: string,
  workers: number,
  folder: string,
  signal: AbortSignal,
): Promise<Cluster> {
  const find = 'import os, pyspark; print(os.path.dirname(pyspark.__file__))';
  const home = execFileSync(python, ['-c', find], { encoding: 'utf8' }).trim();
  const port = await freePort();
  const url = `spark://127.0.0.1:${port}`;
  const env = { ...process.env, SPARK_HOME: home, SPARK_LOCAL_IP: '127.0.0.1', SPARK_LOG_DIR: folder };
  const children: ChildProcess[] = [];
  const launch = async (name: string, args: string[], pattern: RegExp) => {
    const command = [`org.apache.spark.deploy.${name}`, '--host', '127.0.0.1', '--webui-port', '0', ...args];
    signal.throwIfAborted();
    // A group of its own, so that what it starts can be ended with it, and so that nobody else's signal reaches it.
    const child = spawn(join(home, 'bin/spark-class'), command, {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    await ready(child, name, pattern, signal);
  };
  const stop = async () => {
    for (const child of children.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      process.kill(-child.pid!, 'SIGTERM');
      const timer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
    }
  };
  try {
    await launch('master.Master', ['--port', `${port}`], /I have been elected leader|New state: ALIVE/);
    const own = ['--cores', '1', '--memory', '1536m', '--work-dir'];
    const worker = (i: number) =>
      launch('worker.Worker', [...own, join(folder, `worker-${i}`), url], /Successfully registered with master/);
    await Promise.all(Array.from({ length: workers }, (_, i) => worker(i)));
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop };
}
