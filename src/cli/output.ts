/** What a verb says, and where: results on stdout, everything else on stderr, in words or (with --json) as JSON lines. */
import { styleText } from 'node:util';
import type { MillraceError } from '../errors.ts';
import type { Outcome } from './command.ts';

type Style = Parameters<typeof styleText>[0];

export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly #color: boolean | undefined;

  constructor(options: { json?: boolean; quiet?: boolean; verbose?: boolean; color?: boolean }) {
    this.json = options.json ?? false;
    this.quiet = options.quiet ?? false;
    this.verbose = options.verbose ?? false;
    this.#color = options.color;
  }

  /** From commander's options, where `color` is false after --no-color. */
  static from(options: Record<string, unknown>): Output {
    return new Output(options);
  }

  /** Draws over one line of stderr: only for a person at a terminal. */
  get live(): boolean {
    return !this.json && !this.quiet && process.stderr.isTTY === true;
  }

  /** Colours text where the stream shows colours: a terminal, without --no-color, NO_COLOR or TERM=dumb; FORCE_COLOR forces. */
  style(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
    const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
    const wanted =
      this.#color !== false && !NO_COLOR && (FORCE_COLOR ? FORCE_COLOR !== '0' : stream.isTTY && TERM !== 'dumb');
    return wanted ? styleText(style, text) : text;
  }

  /** The result: one JSON object, or text for a person (--quiet keeps results, it silences the way there). */
  result({ data, text }: Outcome): void {
    if (this.json) process.stdout.write(`${JSON.stringify(data)}\n`);
    else if (text) process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  }

  /** Something to know on the way. With --json an event `{type: 'note', text}`. */
  note(text: string): void {
    if (this.json) this.event({ type: 'note', text });
    else if (!this.quiet) process.stderr.write(`${text}\n`);
  }

  /** Something that will surprise later; shown even with --quiet. */
  warn(text: string): void {
    if (this.json) this.event({ type: 'warning', text });
    else process.stderr.write(`${this.style('yellow', 'warning:', process.stderr)} ${text}\n`);
  }

  /** Shown with --verbose only. */
  detail(text: string): void {
    if (this.verbose) this.note(text);
  }

  /** One line of JSON on stderr with --json, nothing otherwise. */
  event(event: { type: string } & Record<string, unknown>): void {
    if (this.json) process.stderr.write(`${JSON.stringify(event)}\n`);
  }

  /** The end of a failed command: what went wrong, the remedy, and with --verbose where. */
  error(error: MillraceError): void {
    const { code, message, hint } = error;
    if (this.json) {
      process.stdout.write(
        `${JSON.stringify({ error: { code, message, ...(hint === undefined ? {} : { hint }) } })}\n`,
      );
      return;
    }
    process.stderr.write(`${this.style('red', 'error:', process.stderr)} ${message}\n`);
    if (hint) process.stderr.write(`${this.style('cyan', 'hint:', process.stderr)} ${hint}\n`);
    if (this.verbose || code === 'internal') {
      for (let at: unknown = error; at instanceof Error; at = at.cause) process.stderr.write(`${at.stack}\n`);
    }
  }
}
