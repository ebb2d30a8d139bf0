/** A file name in, the way to take the file apart into documents out. */
import { MillraceError } from '../errors.ts';

/**
 * - `file`: the whole file is a document. `line`: a document a line. `paragraph`: documents separated by blank lines.
 * - `jsonl`: a JSON object a line. `tsv`: fields separated by tabs, named by number from 0.
 * - `parquet`, `arrow`: a row is a record, its columns the fields.
 */
export const FORMATS = ['file', 'line', 'paragraph', 'jsonl', 'tsv', 'parquet', 'arrow'] as const;
export type Format = (typeof FORMATS)[number];

const BY_EXTENSION: Record<string, Format> = {
  txt: 'file',
  md: 'file',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  tsv: 'tsv',
  parquet: 'parquet',
  arrow: 'arrow',
  feather: 'arrow',
  ipc: 'arrow',
};

/** By the extension, `.gz` and `.zst` apart. Throws `input` for one that isn't known. */
export function formatOf(path: string): Format {
  const extension = path
    .replace(/\.(gz|zst)$/, '')
    .split('.')
    .at(-1)
    ?.toLowerCase();
  const format = BY_EXTENSION[extension ?? ''];
  if (format) return format;
  throw new MillraceError('input', `${path}: the extension doesn't tell how to read it`, {
    hint: `say it with format: ${FORMATS.join(', ')}`,
  });
}
