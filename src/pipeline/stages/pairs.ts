/** A JSON file in (an object of source: target, or a list of objects), a corpus of pairs out (pairs.jsonl): for seq2seq. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeWhole } from '../../atomic.ts';
import { MillraceError } from '../../errors.ts';
import { hashFile } from '../hash.ts';
import type { Stage } from '../stage.ts';
import type { CorpusList } from './corpus_list.ts';

const schema = z.strictObject({
  file: z.string().describe('a .json file'),
  source: z.string().default('source').describe('field of a source, where the file is a list'),
  target: z.string().default('target').describe('field of a target, where the file is a list'),
  match: z.string().optional().describe('a regular expression: keep the sources that it fits'),
  spell: z.boolean().default(false).describe('put spaces between the letters of a source, so that each is a word'),
  lower: z.boolean().default(false).describe('lower-case letters in sources'),
});

export const pairs: Stage<typeof schema> = {
  kind: 'pairs',
  about: 'reads sources and targets from a JSON file',
  schema,
  needs: {},
  code: [],
  async reads({ file }) {
    return [file];
  },
  async run({ config, out }) {
    const text = await readFile(config.file, 'utf8');
    const match = config.match === undefined ? undefined : new RegExp(config.match, 'u');
    const kept = read(text, config).filter(([source]) => match?.test(source) ?? true);
    if (kept.length === 0)
      throw new MillraceError('input', `${config.file}: no pair is left`, { hint: 'look at match' });
    const lines = kept.map(([given, target]) => {
      const source = config.lower ? given.toLowerCase() : given;
      return `${JSON.stringify({ source: config.spell ? [...source].join(' ') : source, target })}\n`;
    });
    const path = join(out, 'pairs.jsonl');
    await writeWhole(path, lines.join(''));
    const [{ size: bytes }, sha256] = [await stat(path), await hashFile(path)];
    const list: CorpusList = {
      name: undefined,
      licence: undefined,
      field: ['source', 'target'],
      files: [{ path: 'pairs.jsonl', own: true, bytes, sha256, format: 'jsonl' }],
    };
    await writeWhole(join(out, 'corpus.json'), `${JSON.stringify(list, undefined, 1)}\n`);
    return { pairs: kept.length, bytes };
  },
};

function read(text: string, { file, source, target }: z.output<typeof schema>): [string, string][] {
  const refuse = (what: string, cause?: unknown) =>
    new MillraceError('input', `${file}: ${what}`, {
      hint: 'an object of source: target, or a list of objects, is wanted',
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw refuse((cause as Error).message, cause);
  }
  if (value === null || typeof value !== 'object') throw refuse('holds no pairs');
  const all = Array.isArray(value)
    ? value.map((item: Record<string, unknown> | null) => [item?.[source], item?.[target]])
    : Object.entries(value);
  const wrong = all.findIndex((pair) => pair.some((part) => typeof part !== 'string'));
  if (wrong >= 0) throw refuse(`pair ${wrong} has no text on one side`);
  return all as [string, string][];
}
