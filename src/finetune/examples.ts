/** Files of labelled examples in (.jsonl, .json, .tsv), examples out; what is wrong is named with its file and line. */
import { readFile } from 'node:fs/promises';
import glob from 'fast-glob';
import { z } from 'zod';
import { MillraceError } from '../errors.ts';

/** Names of the fields that hold what is needed. */
export interface Fields {
  text: string;
  pair?: string | undefined;
  label: string;
}

export interface LabelledText {
  text: string;
  /** The second text of a pair. */
  pair?: string;
  label: string;
}

export interface Message {
  role: string;
  content: string;
}

export interface TextPair {
  source: string;
  target: string;
}

const message = z.object({ role: z.string().min(1), content: z.string() });
const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);

/** Texts whose label is null have none: they are left out. */
export async function readLabelled(patterns: string[], { text, pair, label }: Fields): Promise<LabelledText[]> {
  const schema = z.object({ [text]: z.string(), ...(pair && { [pair]: z.string() }), [label]: scalar.nullable() });
  const all = await readExamples(patterns, schema, (record) => ({
    text: record[text] as string,
    ...(pair && { pair: record[pair] as string }),
    label: record[label] as string | null,
  }));
  return all.filter((example): example is LabelledText => example.label !== null);
}

export function readTextPairs(patterns: string[], fields: { source: string; target: string }): Promise<TextPair[]> {
  const schema = z.object({ [fields.source]: z.string(), [fields.target]: z.string() });
  return readExamples(patterns, schema, (record) => ({
    source: record[fields.source] as string,
    target: record[fields.target] as string,
  }));
}

/** Conversations: `messages`, or the older `conversations` with `from` and `value`. */
export function readChats(patterns: string[]): Promise<Message[][]> {
  const schema = z.union([
    z.object({ messages: z.array(message).min(1) }).transform(({ messages }) => messages),
    z
      .object({ conversations: z.array(z.object({ from: z.string(), value: z.string() })).min(1) })
      .transform(({ conversations }) =>
        conversations.map(({ from, value }) => ({ role: ROLES[from] ?? from, content: value })),
      ),
  ]);
  return readExamples(patterns, schema, (messages) => messages);
}

const ROLES: Record<string, string> = { human: 'user', gpt: 'assistant' };

async function readExamples<T, E>(patterns: string[], schema: z.ZodType<T>, make: (value: T) => E): Promise<E[]> {
  const files = (await glob(patterns)).sort();
  if (files.length === 0) {
    throw new MillraceError('input', `no file matches ${patterns.join(' ')}`, { hint: 'check the path' });
  }
  const examples: E[] = [];
  for (const file of files) {
    for (const { value, place } of await records(file)) {
      const result = schema.safeParse(value);
      if (!result.success) {
        const issue = result.error.issues[0]!;
        throw new MillraceError('input', `${place}: ${issue.path.join('.') || 'the example'}: ${issue.message}`, {
          hint: 'name the fields with data.fields',
        });
      }
      examples.push(make(result.data));
    }
  }
  return examples;
}

async function records(file: string): Promise<{ value: unknown; place: string }[]> {
  const text = await readFile(file, 'utf8');
  const parse = (json: string, place: string): unknown => {
    try {
      return JSON.parse(json);
    } catch (cause) {
      throw new MillraceError('input', `${place}: ${(cause as Error).message}`, {
        hint: 'one JSON object a line',
        cause,
      });
    }
  };
  if (file.endsWith('.json')) {
    const values = parse(text, file);
    if (!Array.isArray(values)) throw new MillraceError('input', `${file}: a list of objects is wanted`);
    return values.map((value, i) => ({ value, place: `${file}: item ${i}` }));
  }
  const lines = text.split(/\r?\n/);
  const numbered = lines.map((line, i) => ({ line, place: `${file}:${i + 1}` })).filter(({ line }) => line !== '');
  if (!file.endsWith('.tsv')) return numbered.map(({ line, place }) => ({ value: parse(line, place), place }));
  const names = numbered[0]?.line.split('\t') ?? [];
  return numbered.slice(1).map(({ line, place }) => {
    const cells = line.split('\t');
    if (cells.length !== names.length) {
      throw new MillraceError('input', `${place}: ${cells.length} cells, the first line names ${names.length}`);
    }
    return { value: Object.fromEntries(names.map((name, i) => [name, cells[i]])), place };
  });
}
