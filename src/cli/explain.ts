/** Anything thrown in, a MillraceError with a remedy out. */
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
  ENOTDIR: (path) => [`a file stands where a folder is needed: ${path}`, 'choose another path'],
  EISDIR: (path) => [`a folder stands where a file is needed: ${path}`, 'name a file in it'],
  EMFILE: () => ['too many open files', 'raise the limit with `ulimit -n 8192`'],
};

/** Errors of the operating system get their remedy; what nobody foresaw becomes `internal`. */
export function explain(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  const { code = '', path = '', message } = (error ?? {}) as NodeJS.ErrnoException;
  const known = SYSTEM[code]?.(path);
  if (known) return new MillraceError('io', known[0], { hint: known[1], cause: error });
  if ((error as Error | undefined)?.name === 'AbortError')
    return new MillraceError('cancelled', 'cancelled', { cause: error });
  return new MillraceError('internal', message ?? String(error), {
    hint: 'this is a defect: please report it with the lines below',
    cause: error,
  });
}
