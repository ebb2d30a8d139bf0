/** The list of files that a corpus stage leaves, and how stages below read it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Format } from '../../corpus/format.ts';

export interface CorpusList {
  name: string | undefined;
  licence: string | undefined;
  field: string | string[] | undefined;
  files: { path: string; bytes: number; sha256: string; format: Format }[];
}

export async function readCorpusList(dir: string): Promise<CorpusList> {
  return JSON.parse(await readFile(join(dir, 'corpus.json'), 'utf8')) as CorpusList;
}

/** What `buildDataset` and the like take: paths, and how to read them. */
export function asCorpusOptions({ files, field }: CorpusList): {
  files: string[];
  format?: Format;
  field?: string | string[];
} {
  const formats = new Set(files.map(({ format }) => format));
  const [format] = formats;
  return {
    files: files.map(({ path }) => path),
    ...(formats.size === 1 && format !== undefined ? { format } : {}),
    ...(field === undefined ? {} : { field }),
  };
}
