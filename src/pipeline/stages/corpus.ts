/** Files or a manifest in, the list of files with their hashes out (corpus.json): what stages below read text from. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { FORMATS } from '../../corpus/format.ts';
import { MillraceError } from '../../errors.ts';
import type { Elsewhere, Stage } from '../stage.ts';
import type { CorpusList } from './corpus_list.ts';

const schema = z.strictObject({
  files: z
    .array(z.string())
    .min(1)
    .describe('paths and globs from the working folder; or one manifest: corpora/moby-dick.yaml'),
  format: z
    .enum(FORMATS)
    .optional()
    .describe('how files are taken apart into documents; by their extension where left out'),
  field: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe('of JSONL (a path such as meta.text) or TSV (a number from 0); several where a task needs them'),
});

export const corpus: Stage<typeof schema> = {
  kind: 'corpus',
  about: 'finds the text and checks its hashes',
  schema,
  needs: {},
  code: ['corpus'],
  async reads(config) {
    if (config.files.some(remote)) return [];
    const { files } = await resolve(config);
    const manifests = along(config.files).filter((path) => /\.ya?ml$/.test(path));
    return [...manifests, ...files.map(({ path }) => path)];
  },
  async run({ config, out, elsewhere }) {
    if (config.files.some(remote)) return listed(config, out, elsewhere);
    const { hashFile } = await import('../hash.ts');
    const found = await resolve(config);
    const files = await Promise.all(
      found.files.map(async ({ sha256, ...file }) => ({ ...file, sha256: sha256 ?? (await hashFile(file.path)) })),
    );
    const list: CorpusList = {
      name: found.manifest?.name,
      licence: found.manifest?.licence,
      field: found.field,
      files,
    };
    await writeFile(join(out, 'corpus.json'), `${JSON.stringify(list, undefined, 1)}\n`);
    return {
      ...(list.name === undefined ? {} : { name: list.name }),
      files: files.length,
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      ...(list.licence === undefined ? {} : { licence: list.licence }),
    };
  },
  async preview({ config }) {
    if (config.files.some(remote)) return config.files;
    const { files, manifest } = await resolve(config);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    return [`${manifest ? `${manifest.name}: ` : ''}${files.length} files, ${bytes.toLocaleString('en-GB')} bytes`];
  },
};

async function resolve(config: z.output<typeof schema>) {
  const { resolveCorpus } = await import('../../corpus/resolve.ts');
  return resolveCorpus({ ...config, files: along(config.files) });
}

const remote = (file: string) => /^[a-z][a-z0-9+.-]+:\/\//i.test(file);

/** Files that only an engine reaches: known by size and time, not by hash, and looked for when the stage runs. */
async function listed(config: z.output<typeof schema>, out: string, elsewhere: Elsewhere | undefined) {
  if (!elsewhere) {
    throw new MillraceError('config', `${config.files.find(remote)} can't be read from here`, {
      hint: 'run with --engine, or name files of this machine',
    });
  }
  const { formatOf } = await import('../../corpus/format.ts');
  const files = (await elsewhere.list(config.files)).map(({ path, bytes, modified }) => ({
    path,
    bytes,
    sha256: '',
    modified,
    format: config.format ?? formatOf(path),
  }));
  const list: CorpusList = { name: undefined, licence: undefined, field: config.field, files };
  await writeFile(join(out, 'corpus.json'), `${JSON.stringify(list, undefined, 1)}\n`);
  return { files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** A manifest that isn't in the working folder may be one that comes along (corpora/ of this package). */
function along(files: string[]): string[] {
  return files.map((file) => {
    if (existsSync(file) || !/^corpora\/[^/*]+\.ya?ml$/.test(file)) return file;
    const path = fileURLToPath(new URL(`../../../${file}`, import.meta.url));
    return existsSync(path) ? path : file;
  });
}
