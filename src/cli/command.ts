/**
 * How a verb is written. Each file of commands/ default-exports a `Define`: it gets an empty commander Command that
 * already has its name and summary, and adds arguments, options and subcommands.
 *
 * @example
 * const define: Define = (command) => {
 *   command
 *     .command('train')
 *     .description('train a vocabulary on text files')
 *     .argument('<globs...>', 'text files')
 *     .requiredOption('--size <n>', 'entries, special tokens counted', integer({ min: 1 }))
 *     .requiredOption('--out <dir>', 'folder to write')
 *     .action(
 *       action(async (call, globs: string[], options: { size: number; out: string }) => {
 *         const { trainVocab } = await import('../../tokenizer/train.ts'); // heavy imports stay inside the action
 *         const data = await trainVocab({ files: globs, vocabSize: options.size, out: options.out, ...call.watch });
 *         return { data, text: `wrote ${options.out}: ${data.size} entries` };
 *       }),
 *     );
 * };
 * export default define;
 *
 * The global options (--json, --quiet, --verbose, --no-color) work before and after the verb and are dealt with here.
 * Errors are thrown (MillraceError with a hint); main.ts prints them and sets the exit code. A verb that writes also
 * takes --dry-run.
 */
import { type Command, InvalidArgumentError } from 'commander';
import type { Progress, Watch } from '../progress.ts';
import { Output } from './output.ts';
import { ProgressLine } from './progress.ts';

export type Define = (command: Command) => void;

/** What an action hands back. `data` is the one object of `--json`; `text` is what a person reads on stdout. */
export interface Outcome {
  data: object;
  text?: string;
}

/** What an action gets besides its arguments. */
export interface Call {
  output: Output;
  /** Spread into a library call: the signal is aborted by the first SIGINT or SIGTERM, progress is drawn on stderr. */
  watch: Watch & { signal: AbortSignal; onProgress: (progress: Progress) => void };
  /** `cpu`, say, where the line was `--device cpu`; undefined where the user didn't give it (a default counts as not given). */
  given(option: string): boolean;
}

/**
 * Wraps the work of a verb for commander: arguments come as declared, then the options object.
 * Work that streams its own stdout (encode, decode) returns nothing.
 */
export function action<A extends unknown[]>(
  work: (call: Call, ...args: A) => Promise<Outcome | undefined> | Promise<void>,
): (...args: unknown[]) => Promise<void> {
  return async (...all) => {
    const command = all.pop() as Command;
    const output = Output.from(command.optsWithGlobals());
    const progress = new ProgressLine(output);
    const stop = new AbortController();
    const interrupt = () => {
      if (stop.signal.aborted) process.exit(130);
      output.note('stopping (once more to stop at once)');
      stop.abort();
    };
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
    try {
      const call: Call = {
        output,
        watch: { signal: stop.signal, onProgress: (state) => progress.update(state) },
        given: (option) => command.getOptionValueSourceWithGlobals(option) === 'cli',
      };
      const outcome = await work(call, ...(all as A));
      progress.finish();
      if (outcome) output.result(outcome);
    } finally {
      progress.finish();
      process.off('SIGINT', interrupt);
      process.off('SIGTERM', interrupt);
    }
  };
}

/** Parser for an option that is a whole number: `.option('--threads <n>', 'worker threads', integer({ min: 1 }))`. */
export function integer(range: { min?: number; max?: number } = {}): (text: string) => number {
  return (text) => {
    if (!/^[+-]?\d[\d_]*$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
    return within(Number(text.replaceAll('_', '')), range);
  };
}

/** Parser for an option that is a number. */
export function number(range: { min?: number; max?: number } = {}): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number.');
    return within(value, range);
  };
}

function within(value: number, { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY }): number {
  if (value < min) throw new InvalidArgumentError(`It must be ${min} or more.`);
  if (value > max) throw new InvalidArgumentError(`It must be ${max} or less.`);
  return value;
}

/** Parser for an option that may be given several times: `.option('--special <token>', '...', collect, [])`. */
export function collect(text: string, before: string[]): string[] {
  return [...before, text];
}
