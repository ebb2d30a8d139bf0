/** Progress of long work in, one redrawn line on a terminal out; a line every 10 s elsewhere; events with --json. */
import type { Progress } from '../progress.ts';
import { bytes, count, duration } from './format.ts';
import type { Output } from './output.ts';

const REDRAW_MS = 100;
const LINE_MS = 10_000;
const EVENT_MS = 1000;

export class ProgressLine {
  readonly #output: Output;
  #phase = '';
  #started = 0;
  #done = 0;
  /** Done when it began: a resumed run's own speed counts. */
  #from = 0;
  #shown = 0;
  #drawn = false;

  constructor(output: Output) {
    this.#output = output;
  }

  update(progress: Progress): void {
    if (this.#output.quiet) return;
    const now = performance.now();
    // A second stage may have the phase of the first.
    if (progress.phase !== this.#phase || progress.done < this.#done) {
      this.#phase = progress.phase;
      this.#from = progress.done;
      this.#started = now;
      this.#shown = this.#output.live || this.#output.json ? 0 : now;
    }
    this.#done = progress.done;
    const every = this.#output.json ? EVENT_MS : this.#output.live ? REDRAW_MS : LINE_MS;
    if (now - this.#shown < every) return;
    this.#shown = now;
    if (this.#output.json) {
      this.#output.event({ type: 'progress', ...progress });
      return;
    }
    const text = describe(progress, { seconds: (now - this.#started) / 1000, from: this.#from });
    if (!this.#output.live) {
      process.stderr.write(`${text}\n`);
      return;
    }
    const width = process.stderr.columns ?? 80;
    process.stderr.write(`\r\u001b[2K${text.slice(0, width - 1)}`);
    this.#drawn = true;
  }

  /** Clears the drawn line, so that what follows starts on a clean one. */
  finish(): void {
    if (this.#drawn) process.stderr.write('\r\u001b[2K');
    this.#drawn = false;
    this.#phase = '';
    this.#done = 0;
  }
}

/** @internal `train  37 %  111 / 300 steps  2.1 steps/s  1m 30s left`. */
export function describe(
  { phase, done, total, unit }: Progress,
  { seconds, from = 0 }: { seconds: number; from?: number },
): string {
  const amount = unit === 'bytes' ? bytes : (value: number) => count(value);
  const words = unit === 'bytes' ? '' : ` ${unit}`;
  const parts = [phase];
  if (total > 0) parts.push(`${Math.floor((100 * done) / total)} %`);
  parts.push(total > 0 ? `${amount(done)} / ${amount(total)}${words}` : `${amount(done)}${words}`);
  if (seconds > 0.5 && done > from) {
    const rate = (done - from) / seconds;
    parts.push(`${unit === 'bytes' ? bytes(rate) : `${count(rate)} ${unit}`}/s`);
    if (total > done) parts.push(`${duration((total - done) / rate)} left`);
  }
  return parts.join('  ');
}
