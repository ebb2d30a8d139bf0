/** Who may import whom (docs/ARCHITECTURE.md). A file that breaks it is named with the line of its import. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('../src', import.meta.url));

/** Room -> rooms that it may use besides itself. `base` is what lies in src itself; all may use it. */
const MAY: Record<string, string[]> = {
  graph: [],
  model: ['graph'],
  config: [],
  corpus: ['config'],
  tokenizer: ['corpus', 'config'],
  dataset: ['corpus', 'tokenizer', 'config'],
  train: ['model', 'dataset', 'tokenizer', 'generate', 'config'],
  pretrained: ['model', 'train', 'tokenizer', 'config'],
  generate: ['model', 'train', 'pretrained', 'tokenizer', 'config'],
  export: ['model', 'train', 'pretrained', 'tokenizer', 'generate', 'graph', 'config'],
  metrics: [],
  finetune: ['model', 'train', 'pretrained', 'tokenizer', 'generate', 'metrics', 'config'],
  report: ['config'],
  pipeline: [
    'corpus',
    'tokenizer',
    'dataset',
    'graph',
    'model',
    'train',
    'pretrained',
    'generate',
    'export',
    'finetune',
    'metrics',
    'report',
    'config',
  ],
  engine: ['corpus', 'tokenizer', 'dataset', 'config'],
  cli: [
    'corpus',
    'tokenizer',
    'dataset',
    'model',
    'train',
    'pretrained',
    'generate',
    'export',
    'finetune',
    'metrics',
    'report',
    'pipeline',
    'engine',
    'config',
    'graph',
  ],
};

/** Rooms that may use the native module, through src/native.ts. */
const NATIVE = new Set([
  'corpus',
  'tokenizer',
  'dataset',
  'train',
  'generate',
  'export',
  'finetune',
  'pipeline',
  'engine',
  'base',
]);

interface Import {
  file: string;
  line: number;
  from: string;
  to: string;
  target: string;
  kind: 'static' | 'type' | 'lazy';
}

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
const room = (path: string) => (path.includes('/') ? path.split('/')[0]! : 'base');

const imports: Import[] = files.flatMap((file) =>
  readFileSync(join(root, file), 'utf8')
    .split('\n')
    .flatMap((text, i) => {
      if (text.startsWith(' *')) return [];
      const target = /(?:from |import\(|^import )'(\.\.?\/[^']+)'/.exec(text)?.[1];
      if (!target) return [];
      const path = normalize(join(dirname(file), target));
      const kind = /import\('/.test(text) ? 'lazy' : /^(import|export) type /.test(text) ? 'type' : 'static';
      return [{ file, line: i + 1, from: room(file), to: room(path), target: path, kind }];
    }),
);

const show = ({ file, line, target }: Import) => `src/${file}:${line} imports ${target}`;

test('every room of src is in the table', (t) => {
  const rooms = new Set(files.map(room).filter((name) => name !== 'base'));
  t.deepEqual(
    [...rooms].filter((name) => !(name in MAY)),
    [],
  );
});

test('imports follow the table', (t) => {
  const wrong = imports.filter(
    ({ from, to }) => from !== 'base' && to !== 'base' && from !== to && !MAY[from]?.includes(to),
  );
  t.deepEqual(wrong.map(show), []);
});

// The doctor looks at the module itself.
test('the native module is entered through src/native.ts, and only where text or numbers are worked on', (t) => {
  const direct = files.filter(
    (file) => file !== 'native.ts' && /^import (?!type )[^;]*'#native'/m.test(readFileSync(join(root, file), 'utf8')),
  );
  t.deepEqual(direct, []);
  const wrong = imports.filter(
    ({ file, from, target }) => target === 'native.ts' && !NATIVE.has(from) && file !== 'cli/doctor.ts',
  );
  t.deepEqual(wrong.map(show), []);
});

test('the command line loads what a verb needs when it is called', (t) => {
  // A static import of a heavy room would slow down `millrace --help`; types and bare lists of names cost nothing.
  const light = new Set(['corpus/format.ts', 'dataset/task.ts']);
  const heavy = imports.filter(
    ({ from, to, kind, target }) =>
      from === 'cli' && kind === 'static' && to !== 'cli' && to !== 'base' && !light.has(target),
  );
  t.deepEqual(heavy.map(show), []);
});

test('a file opens with what it is for', (t) => {
  const silent = files.filter((file) => !/^(#!.*\n)?(\/\/|\/\*\*)/.test(readFileSync(join(root, file), 'utf8')));
  t.deepEqual(silent, []);
});
