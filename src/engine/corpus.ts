/** What a user names as a corpus in, its files out: local ones as ever, URIs as the engine lists them. */
import { type Corpus, type CorpusOptions, resolveCorpus } from '../corpus/resolve.ts';
import { MillraceError } from '../errors.ts';
import type { Engine } from './engine.ts';
import { formatOfUri, isRemote } from './plan.ts';

export interface Listed {
  path: string;
  bytes: number;
  /** Milliseconds since 1970. */
  modified: number;
  /** Bytes behind the last newline. */
  openEnded: number;
}

/** Files of a corpus that may lie where only the engine reaches (`s3a://bucket/*.jsonl`). */
export async function resolveOn(engine: Engine, options: CorpusOptions): Promise<Corpus & { listed?: Listed[] }> {
  const remote = options.files.filter(isRemote);
  if (remote.length === 0) return resolveCorpus(options);
  if (remote.length < options.files.length) {
    throw new MillraceError('input', 'files on this machine and URIs can not be mixed', {
      hint: 'name all as URIs (file:///... on this machine)',
    });
  }
  const { result: listed } = await engine.run<Listed[]>({ job: 'list', patterns: remote });
  if (listed.length === 0) throw new MillraceError('input', `no file matches ${remote.join(' ')}`);
  const files = listed.map(({ path, bytes }) => ({ path, bytes, format: options.format ?? formatOfUri(path) }));
  return { files, listed, ...(options.field === undefined ? {} : { field: options.field }) };
}
