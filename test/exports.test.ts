/** The library's surface: every export has a docstring, and what the verbs do can be called. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import * as millrace from '../src/index.ts';

const src = fileURLToPath(new URL('../src', import.meta.url));

interface Export {
  name: string;
  /** As it is called where it is declared. */
  own: string;
  file: string;
}

/** `export { type A, b as c } from './x.ts'` of a file. */
function exportsOf(file: string): Export[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/export (?:type )?\{([^}]*)\} from '([^']+)';/g)].flatMap(([, names, from]) =>
    names!
      .split(',')
      .map((part) => part.trim().replace(/^type /, ''))
      .filter((part) => part !== '')
      .map((part) => {
        const [own = '', name = own] = part.split(' as ');
        return { name, own, file: join(dirname(file), from!) };
      }),
  );
}

/** The lines that declare a name, followed through files that only pass it on; undefined where there are none. */
function declaration({ own, file }: Export): { before: string } | undefined {
  const lines = readFileSync(file, 'utf8').split('\n');
  const pattern = new RegExp(
    `^export (?:declare |abstract )*(?:async )?(?:function\\*?|class|const|interface|type) ${own}\\b`,
  );
  const at = lines.findIndex((line) => pattern.test(line));
  if (at >= 0) return { before: lines[at - 1] ?? '' };
  const further = exportsOf(file).find(({ name }) => name === own);
  return further && declaration(further);
}

const all = exportsOf(join(src, 'index.ts'));

test('every export has a docstring', (t) => {
  t.true(all.length > 40);
  const silent = all
    .filter((one) => !declaration(one)?.before.trim().endsWith('*/'))
    .map(({ name, file }) => `${name} (${file.slice(src.length + 1)})`);
  t.deepEqual(silent, []);
});

test('what the verbs do can be called', (t) => {
  const verbs = [
    'trainVocab',
    'buildDataset',
    'batches',
    'train',
    'finetune',
    'sample',
    'exportModel',
    'runPipeline',
    'evaluateRun',
    'writeReport',
    'pipelineStatus',
    'cleanCorpus',
    'classify',
    'translate',
  ];
  t.deepEqual(
    verbs.filter((name) => typeof (millrace as Record<string, unknown>)[name] !== 'function'),
    [],
  );
  t.is(typeof millrace.Tokenizer.load, 'function');
});
