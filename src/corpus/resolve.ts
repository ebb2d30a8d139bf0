/** What a user names as a corpus (files, globs, a manifest) in, the files to read and how to read them out. */
import { stat } from 'node:fs/promises';
import { MillraceError } from '../errors.ts';
import { findFiles } from './files.ts';
import { type Format, formatOf } from './format.ts';
import { type CorpusFile, type CorpusManifest, readManifest } from './manifest.ts';

/** How a user names a corpus. */
export interface CorpusOptions {
  /** Paths and globs; or one corpus manifest (`*.yaml`). */
  files: string[];
  /** How to take the files apart; by their extension where it is left out. */
  format?: Format | undefined;
  /** Field or fields of JSONL (paths such as `meta.text`) or TSV (numbers from 0). */
  field?: string | string[] | undefined;
}

/** Files to read and how to read them. */
export interface Corpus {
  manifest?: CorpusManifest;
  /** `sha256` is known where a manifest was read. */
  files: (Omit<CorpusFile, 'sha256'> & { sha256?: string; format: Format })[];
  field?: string | string[];
}

/**
 * @example
 * const { files } = await resolveCorpus({ files: ['corpora/moby-dick.yaml'] });
 * @throws `input` where nothing matches, `corrupt` where a file isn't the one that the manifest means.
 */
export async function resolveCorpus(options: CorpusOptions): Promise<Corpus> {
  const [first] = options.files;
  if (first === undefined) throw new MillraceError('input', 'no files were named');
  const named = options.files.filter((file) => /\.ya?ml$/.test(file));
  if (named.length > 0 && options.files.length > 1) {
    throw new MillraceError('input', `${named[0]}: a corpus manifest can't be mixed with other files`);
  }
  if (named.length === 1) {
    const { manifest, files } = await readManifest(first);
    const format = options.format ?? manifest.read.format;
    const field = options.field ?? manifest.read.field;
    return {
      manifest,
      files: files.map((file) => ({ ...file, format: format ?? formatOf(file.path) })),
      ...(field === undefined ? {} : { field }),
    };
  }
  const paths = await findFiles(options.files);
  const files = await Promise.all(
    paths.map(async (path) => ({
      path,
      bytes: (await stat(path)).size,
      format: options.format ?? formatOf(path),
    })),
  );
  return { files, ...(options.field === undefined ? {} : { field: options.field }) };
}
