/** Anything thrown in, a MillraceError with a remedy out. */
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { MillraceError } from '../errors.ts';

const SYSTEM: Record<string, (path: string) => [message: string, hint: string]> = {
  ENOENT: (path) => [`no such file or folder: ${path}`, 'check the path'],
  EACCES: (path) => [`permission denied: ${path}`, 'choose a path that you may read or write, or change its rights'],
  EPERM: (path) => [`not permitted: ${path}`, 'choose a path that you may read or write, or change its rights'],
  EROFS: (path) => [`read-only file system: ${path}`, 'choose another folder'],
  ENOSPC: (path) => [
    `no space left on the device${path && `: ${path}`}`,
    'free some space or choose another folder, then run the same command again',
  ],
  EDQUOT: (path) => [
    `disk quota exceeded${path && `: ${path}`}`,
    'free some space or choose another folder, then run the same command again',
  ],
  EFBIG: (path) => [
    `the file would be larger than this system allows${path && `: ${path}`}`,
    'raise the limit (`ulimit -f unlimited`) or choose another file system, then run the same command again',
  ],
  ENOTDIR: (path) => [`a file stands where a folder is needed: ${path}`, 'choose another path'],
  EISDIR: (path) => [`a folder stands where a file is needed: ${path}`, 'name a file in it'],
  EMFILE: () => ['too many open files', 'raise the limit with `ulimit -n 8192`'],
};

/** Errors of the operating system get their remedy; what nobody foresaw becomes `internal`. */
export function explain(error: unknown): MillraceError {
  if (error instanceof MillraceError) return withRemedy(error);
  const { code = '', path = '', message } = (error ?? {}) as NodeJS.ErrnoException;
  const known = SYSTEM[reason(error as NodeJS.ErrnoException, code)]?.(path);
  if (known) return new MillraceError('io', known[0], { hint: known[1], cause: error });
  if ((error as Error | undefined)?.name === 'AbortError')
    return new MillraceError('cancelled', 'cancelled', { cause: error });
  return new MillraceError('internal', message ?? String(error), {
    hint: 'this is a defect: please report it with the lines below',
    cause: error,
  });
}

/** What the native crate says of the operating system, by errno. */
const ERRNO: Record<number, string> = {
  2: 'ENOENT',
  1: 'EPERM',
  13: 'EACCES',
  20: 'ENOTDIR',
  21: 'EISDIR',
  24: 'EMFILE',
  27: 'EFBIG',
  28: 'ENOSPC',
  30: 'EROFS',
  122: 'EDQUOT',
};

/** An error that has no remedy of its own gets that of the operating system's error behind it. */
function withRemedy(error: MillraceError): MillraceError {
  if (error.hint !== undefined || (error.code !== 'io' && error.code !== 'input')) return error;
  const number = Number(/\(os error (\d+)\)/.exec(error.message)?.[1]);
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  const known = SYSTEM[reason(cause, ERRNO[number] ?? cause?.code ?? '')]?.('');
  return known ? new MillraceError(error.code, error.message, { hint: known[1], cause: error.cause }) : error;
}

/** Node says ENOENT where a folder can't be made since the one above it takes nothing: what that one says counts. */
function reason(error: NodeJS.ErrnoException | undefined, code: string): string {
  const { syscall, path = '' } = error ?? {};
  if (code !== 'ENOENT' || !(syscall === 'mkdir' || /\.(part|tmp)$/.test(path))) return code;
  let above = dirname(resolve(path));
  while (!existsSync(above) && dirname(above) !== above) above = dirname(above);
  try {
    accessSync(above, constants.W_OK);
    return code;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code ?? code;
  }
}
