/**
 * A YAML file, its zod schema and `--set key=value` overrides in, a checked configuration out.
 * Precedence: the schema's defaults < the file < overrides. Every mistake is reported at once, with the file's line
 * and, for an unknown key, the one that was probably meant.
 */
import { readFile } from 'node:fs/promises';
import { type Document, isMap, LineCounter, parseDocument, parse as parseYaml } from 'yaml';
import type { z } from 'zod';
import { MillraceError } from '../errors.ts';
import { nearest } from './nearest.ts';
import { keysAt } from './schema.ts';

type Path = (string | number)[];

export interface Loaded<T> {
  config: T;
  /** What the file and the overrides said, before defaults. */
  given: unknown;
  /** The file's text as it was read. */
  text: string;
}

/**
 * Use strict objects in the schema (`z.strictObject`), so that unknown keys are errors.
 * @param options.overrides `key=value` each; keys are paths with dots (`optimizer.lr=3e-4`), values YAML (`[0.9, 0.95]`).
 * @param options.prepare fills in, before the check, what stands implied in the file.
 * @throws `config` for what is wrong in the file or an override, `input` where the file can't be read.
 */
export async function loadYaml<S extends z.ZodType>(
  path: string,
  schema: S,
  options: { overrides?: string[]; prepare?: (given: unknown) => void } = {},
): Promise<Loaded<z.output<S>>> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const message = cause.code === 'ENOENT' ? `no such file: ${path}` : `can't read ${path}: ${cause.message}`;
    throw new MillraceError('input', message, { hint: 'check the path', cause });
  });
  return parseConfig(text, { path, schema, ...options });
}

/** The same from text; `path` is the name in messages. */
export function parseConfig<S extends z.ZodType>(
  text: string,
  {
    path,
    schema,
    overrides = [],
    prepare,
  }: { path: string; schema: S; overrides?: string[]; prepare?: (given: unknown) => void },
): Loaded<z.output<S>> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken) {
    const { line, col } = lines.linePos(broken.pos[0]);
    throw new MillraceError('config', `${path}:${line}:${col}: ${broken.message}`, { hint: 'mend the YAML there' });
  }
  const given: unknown = document.toJS() ?? {};
  const set = new Map<string, Path>();
  for (const override of overrides) set.set(override, apply(given, override));
  prepare?.(given);

  const result = schema.safeParse(given);
  if (result.success) return { config: result.data, given, text };
  const problems = result.error.issues
    .flatMap((issue) => flatten(issue))
    .flatMap((issue) => explain(issue, schema, given))
    .map((problem) => ({ ...problem, at: place(problem.path, { path, document, lines, set }) }));
  const hints = problems.flatMap(({ hint }) => hint ?? []);
  throw new MillraceError('config', problems.map(({ at, message }) => `${at}: ${message}`).join('\n'), {
    hint: hints[0] ?? 'mend the value there',
  });
}

/** Writes one override into the tree and returns its path. */
function apply(tree: unknown, override: string): Path {
  const equals = override.indexOf('=');
  if (equals < 1) {
    throw new MillraceError('usage', `--set ${override}: no key`, { hint: 'write --set key=value' });
  }
  const path: Path = override
    .slice(0, equals)
    .split('.')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  const value: unknown = parseYaml(override.slice(equals + 1));
  let at = tree as Record<string | number, unknown>;
  for (const part of path.slice(0, -1)) {
    if (at[part] === null || typeof at[part] !== 'object') at[part] = {};
    at = at[part] as Record<string | number, unknown>;
  }
  at[path.at(-1)!] = value;
  return path;
}

/** A union's issue hides those of its branches: the branch that got furthest is what the user meant. */
function flatten(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue];
  const branches = issue.errors.filter(
    (branch) => !branch.every(({ code, path }) => code === 'invalid_type' && path.length === 0),
  );
  const best = (branches.length > 0 ? branches : issue.errors).reduce((a, b) => (b.length < a.length ? b : a));
  return best.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })).flatMap(flatten);
}

function explain(
  issue: z.core.$ZodIssue,
  schema: z.ZodType,
  given: unknown,
): { path: Path; message: string; hint?: string }[] {
  const path = issue.path as Path;
  const name = path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, path, given);
    return issue.keys.map((key) => {
      const guess = nearest(key, known);
      const where = name ? ` in '${name}'` : '';
      const hint = guess ? `did you mean '${guess}'?` : `known keys${where}: ${known.join(', ')}`;
      return { path: [...path, key], message: `unknown key '${key}'${where}`, hint };
    });
  }
  const choices = issue.code === 'invalid_value' ? issue.values : (issue as { options?: unknown[] }).options;
  if (choices) {
    const value = at(given, path);
    const options = choices.map(String);
    const guess = typeof value === 'string' ? nearest(value, options) : undefined;
    const one = options.length === 1 ? options[0]! : `one of ${options.join(', ')}`;
    const message =
      value === undefined ? `'${name}' is missing (${one})` : `'${name}' must be ${one}, not ${show(value)}`;
    return [{ path, message, ...(guess ? { hint: `did you mean '${guess}'?` } : {}) }];
  }
  const value = at(given, path);
  if (issue.code === 'invalid_type') {
    const message =
      value === undefined
        ? `'${name}' is missing (${words(issue.expected)})`
        : `'${name}' must be ${words(issue.expected)}, not ${show(value)}`;
    return [{ path, message }];
  }
  const message = issue.message
    .replace(/^Invalid input: /, '')
    .replace(/^Too (small|big): expected \w+ to be /, 'must be ');
  return [
    { path, message: `${name ? `'${name}' ` : ''}${message}${value === undefined ? '' : ` (it is ${show(value)})`}` },
  ];
}

const words = (type: string) =>
  ({
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a map',
    record: 'a map',
  })[type] ?? type;

function show(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function at(tree: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (node, part) => (node as Record<string | number, unknown> | null | undefined)?.[part],
    tree,
  );
}

/** `recipes/gpt.yaml:12`, or the override that brought the key in. */
function place(
  target: Path,
  { path, document, lines, set }: { path: string; document: Document; lines: LineCounter; set: Map<string, Path> },
): string {
  const lineOf = (node: unknown) => {
    const range = (node as { range?: [number, number, number] } | null | undefined)?.range;
    return range && `${path}:${lines.linePos(range[0]).line}`;
  };
  const prefix = (a: Path, b: Path) => a.every((part, i) => String(part) === String(b[i]));
  const overrides = [...set];
  const override =
    overrides.find(([, key]) => prefix(key, target)) ??
    (keyNode(document, target) ? undefined : overrides.find(([, key]) => target.length > 0 && prefix(target, key)));
  if (override) return `--set ${override[0]}`;
  for (let depth = target.length; depth >= 0; depth--) {
    const line = lineOf(depth === 0 ? document.contents : keyNode(document, target.slice(0, depth)));
    if (line) return line;
  }
  return path;
}

/** The node of the key itself, which stands on the line that the user looks for; of the item in a list. */
function keyNode(document: Document, target: Path): unknown {
  const parent = target.length === 1 ? document.contents : document.getIn(target.slice(0, -1), true);
  if (isMap(parent))
    return parent.items.find(({ key }) => String((key as { value?: unknown }).value) === String(target.at(-1)))?.key;
  return document.getIn(target, true);
}
