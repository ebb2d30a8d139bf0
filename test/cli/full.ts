/** Folders that take no more: a file system without room, and one that is mounted read-only, where this machine lets us mount. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const mountable =
  spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=64k none /mnt'], { stdio: 'ignore' }).status === 0;

export interface Place {
  /** Goes before Node: it makes the folder what it is for this one process. */
  under: string[];
  dir: string;
  /** What is to be said of it. */
  message: RegExp;
  hint: RegExp;
}

/** Where mounting isn't allowed, a limit on the size of files stands in: the same writes fail, by another errno. */
export function fullDisk(): Place {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-full-'));
  if (!mountable) {
    const under = ['bash', '-c', `ulimit -f 0; exec "$0" "$@"`];
    return { under, dir, message: /larger than this system allows|EFBIG|File too large/, hint: /raise the limit/ };
  }
  const fill = `cat /dev/zero > '${dir}/fill' 2> /dev/null`;
  const script = `mount -t tmpfs -o size=64k none '${dir}' && { ${fill}; exec "$0" "$@"; }`;
  return { under: ['unshare', '-rm', 'sh', '-c', script], dir, message: /no space left/i, hint: /free some space/ };
}

/** For root too, whom rights don't stop. */
export function readOnly(): Place | undefined {
  if (!mountable) return undefined;
  const dir = mkdtempSync(join(tmpdir(), 'millrace-read-only-'));
  const script = `mount -t tmpfs -o ro none '${dir}' && exec "$0" "$@"`;
  return { under: ['unshare', '-rm', 'sh', '-c', script], dir, message: /read-only/i, hint: /another folder/ };
}
