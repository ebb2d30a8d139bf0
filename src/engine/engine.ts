/** Jobs in, done by an engine that a Python process drives (python/driver.py), their results out. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, MillraceError } from '../errors.ts';

/** Which engine, and how its session and its workers start. */
export interface EngineOptions {
  /** `spark://host:port`, `local[*]` (Spark), `ray` (a Ray of its own), `ray://host:port` or `ray:host:port`. */
  url: string;
  /** Settings of the engine, such as `spark.executor.memory`. */
  conf?: Record<string, string> | undefined;
  /** Python that has pyspark or ray. Default: MILLRACE_PYTHON, else python3. */
  python?: string | undefined;
  /** How workers start millrace. Default: MILLRACE_WORKER, else this node and this package, at the paths they have here. */
  worker?: string[] | undefined;
  signal?: AbortSignal | undefined;
  /** Lines that the engine logs. */
  onLog?: ((line: string) => void) | undefined;
}

/** A job as driver.py takes it. */
export type EngineJob = { job: 'list' | 'count' | 'dedup' | 'build' | 'measure' } & Record<string, unknown>;

interface Answer {
  result?: unknown;
  seconds?: number;
  error?: { code: ErrorCode; message: string; hint?: string; detail?: string };
}

const DRIVER = fileURLToPath(new URL('../../src/engine/python/driver.py', import.meta.url));
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export function isEngine(url: string): boolean {
  return /^(spark:\/\/|local(\[|$)|yarn$|k8s:\/\/|ray(:|$))/.test(url);
}

/** How a worker starts millrace. */
export function workerCommand(): string[] {
  const { MILLRACE_WORKER: named } = process.env;
  return named ? named.split(/\s+/).filter(Boolean) : [process.execPath, MAIN];
}

export const pythonCommand = () => process.env.MILLRACE_PYTHON ?? 'python3';

/** A session of Spark or Ray. Jobs are done one after the other; `close` ends it. */
export class Engine {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #worker: string[];
  readonly #said: string[] = [];
  readonly #signal: AbortSignal | undefined;
  /** Rejects where the driver can't be started. */
  readonly #failed: Promise<never>;
  /** Seconds that the engine's session took to start. */
  startSeconds = 0;
  version = '';
  cores = 1;

  private constructor(options: EngineOptions) {
    this.#worker = options.worker ?? workerCommand();
    this.#signal = options.signal;
    this.#child = spawn(options.python ?? pythonCommand(), ['-u', DRIVER], {
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    this.#failed = new Promise<never>((_, reject) => this.#child.once('error', reject));
    this.#failed.catch(() => {});
    this.#child.stdin!.on('error', () => {}); // its end is noticed by the answer that doesn't come
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => {
        options.onLog?.(line);
        this.#said.push(line);
        if (this.#said.length > 40) this.#said.shift();
      });
    }
    this.#answers = createInterface({ input: this.#child.stdio[3] as Readable })[Symbol.asyncIterator]();
  }

  /** Starts the session. Throws `environment` where Python, the package or Java is missing, or nobody answers at the URL. */
  static async open(options: EngineOptions): Promise<Engine> {
    if (!isEngine(options.url)) {
      throw new MillraceError('usage', `no engine: ${options.url}`, {
        hint: 'spark://host:port, local[*], ray, or ray://host:port',
      });
    }
    const engine = new Engine(options);
    const { result, seconds } = await engine.#ask({ engine: options.url, conf: options.conf ?? {} });
    const { version, cores } = result as { version: string; cores: number };
    Object.assign(engine, { startSeconds: seconds, version, cores });
    return engine;
  }

  /** Does one job. */
  async run<T>(job: EngineJob): Promise<{ result: T; seconds: number }> {
    return this.#ask({ ...job, command: this.#worker }) as Promise<{ result: T; seconds: number }>;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin!.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(timer);
  }

  async #ask(question: object): Promise<{ result: unknown; seconds: number }> {
    const cancelled = () => new MillraceError('cancelled', 'the job was cancelled');
    if (this.#signal?.aborted) throw cancelled();
    const kill = () => this.#child.kill('SIGTERM');
    this.#signal?.addEventListener('abort', kill, { once: true });
    const failed = this.#failed;
    try {
      this.#child.stdin!.write(`${JSON.stringify(question)}\n`);
      const { value, done } = await Promise.race([this.#answers.next(), failed]);
      if (this.#signal?.aborted) throw cancelled();
      if (done || value === undefined) {
        throw new MillraceError('failed', `the engine ended: ${this.#said.slice(-3).join(' | ') || 'it said nothing'}`);
      }
      const { result, seconds = 0, error } = JSON.parse(value) as Answer;
      if (!error) return { result, seconds };
      const { code, message, hint, detail } = error;
      const cause = detail === undefined ? undefined : new Error(detail);
      throw new MillraceError(code, message, { ...(hint === undefined ? {} : { hint }), ...(cause ? { cause } : {}) });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new MillraceError('environment', `there is no ${this.#child.spawnfile} here`, {
        hint: 'name a Python that has pyspark or ray in MILLRACE_PYTHON',
      });
    } finally {
      this.#signal?.removeEventListener('abort', kill);
    }
  }
}
