/** Every error that Millrace throws on purpose: a code to act on, a message that names the file, line or key, a remedy. */

/**
 * - `usage`: the command line makes no sense. `config`: an option, a YAML key or its value makes no sense.
 * - `input`: a file or text given by the user can't be used as it is. `corrupt`: a file of ours is damaged or was changed.
 * - `environment`: the machine lacks something. `cancelled`: the caller asked to stop.
 * - `io`: the operating system refused to read or write. `failed`: the work itself went wrong (a loss of NaN, say).
 * - `internal`: a defect of ours.
 */
export type ErrorCode =
  | 'usage'
  | 'config'
  | 'input'
  | 'corrupt'
  | 'environment'
  | 'cancelled'
  | 'io'
  | 'failed'
  | 'internal';

/** An error with a code to act on and a remedy; anything else that is thrown is a defect. */
export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  readonly code: ErrorCode;
  /** What to do about it, in one line. */
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** The exit code of the command line for an error: 2 usage or config, 3 environment, 130 cancelled, else 1. */
export function exitCode(error: unknown): number {
  if (!(error instanceof MillraceError)) return 1;
  if (error.code === 'usage' || error.code === 'config') return 2;
  if (error.code === 'environment') return 3;
  return error.code === 'cancelled' ? 130 : 1;
}
