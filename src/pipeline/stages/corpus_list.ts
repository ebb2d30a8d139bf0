/** The list of files that a stage of text (corpus, clean, pairs) leaves, and how stages below read it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Format } from '../../corpus/format.ts';

/** Kinds of stage that leave one. */
export const TEXT = ['corpus', 'clean', 'pairs'];

export interface CorpusList {
  name: string | undefined;
  licence: string | undefined;
  field: string | string[] | undefined;
  files: {
    path: string;
    /** It lies in the stage's own folder, wherever that is. */
    own?: true;
    bytes: number;
    sha256: string;
    format: Format;
  }[];
}

export async function readCorpusList(dir: string): Promise<CorpusList> {
  const list = JSON.parse(await readFile(join(dir, 'corpus.json'), 'utf8')) as CorpusList;
  return { ...list, files: list.files.map((file) => ({ ...file, path: file.own ? join(dir, file.path) : file.path })) };
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
