/** Training events in, lines of metrics.jsonl out. On resume the lines after the checkpoint's step are taken away first. */
import { type FileHandle, open, readFile, rename, writeFile } from 'node:fs/promises';
import type { TrainEvent } from './events.ts';

export class MetricsFile {
  private readonly file: FileHandle;
  private last: Promise<unknown> = Promise.resolve();

  private constructor(file: FileHandle) {
    this.file = file;
  }

  /** `from`: steps done; lines of later steps, and a line cut off by a kill, are dropped. */
  static async open(path: string, { from }: { from: number }): Promise<MetricsFile> {
    const before = from === 0 ? '' : await readFile(path, 'utf8').catch(() => '');
    const kept = before
      .split('\n')
      .filter((line) => keep(line, from))
      .map((line) => `${line}\n`)
      .join('');
    if (kept !== before || from === 0) {
      await writeFile(`${path}.tmp`, kept);
      await rename(`${path}.tmp`, path);
    }
    return new MetricsFile(await open(path, 'a'));
  }

  /** Lines are written in order; an error of the disk is thrown by `close`. */
  write(event: TrainEvent): void {
    const line = `${JSON.stringify(event)}\n`;
    this.last = this.last.then(() => this.file.write(line));
    this.last.catch(() => {});
  }

  async close(): Promise<void> {
    try {
      await this.last;
      await this.file.sync();
    } finally {
      await this.file.close();
    }
  }
}

function keep(line: string, from: number): boolean {
  try {
    const event = JSON.parse(line) as TrainEvent;
    return event.step <= from;
  } catch {
    return false;
  }
}
