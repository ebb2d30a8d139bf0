import test from 'ava';
import { z } from 'zod';
import { parseConfig } from '../../src/config/load.ts';
import { edits, nearest } from '../../src/config/nearest.ts';
import { MillraceError } from '../../src/errors.ts';

const schema = z.strictObject({
  name: z.string(),
  steps: z.int().min(1).default(10),
  optimizer: z
    .strictObject({ learningRate: z.number().positive().default(1e-3), betas: z.array(z.number()).optional() })
    .prefault({}),
  model: z
    .discriminatedUnion('family', [
      z.strictObject({ family: z.literal('gpt'), layers: z.int() }),
      z.strictObject({ family: z.literal('bert'), pooler: z.boolean() }),
    ])
    .optional(),
  size: z.enum(['tiny', 'base']).default('tiny'),
  parts: z.array(z.strictObject({ weight: z.number() })).optional(),
});

function failure(text: string, overrides: string[] = []): { message: string; hint: string | undefined; code: string } {
  try {
    parseConfig(text, { path: 'a.yaml', schema, overrides });
  } catch (error) {
    if (error instanceof MillraceError) return { message: error.message, hint: error.hint, code: error.code };
    throw error;
  }
  throw new Error('it passed');
}

test('defaults < file < overrides', (t) => {
  const text = 'name: a\nsteps: 20\n';
  t.like(parseConfig(text, { path: 'a.yaml', schema }).config, { steps: 20, optimizer: { learningRate: 1e-3 } });
  const { config } = parseConfig(text, {
    path: 'a.yaml',
    schema,
    overrides: ['steps=30', 'optimizer.betas=[0.9, 0.95]'],
  });
  t.like(config, { steps: 30, optimizer: { betas: [0.9, 0.95] } });
});

for (const [what, text, overrides, message, hint] of [
  ['unknown key', 'name: a\n\nstep: 3\n', [], "a.yaml:3: unknown key 'step'", "did you mean 'steps'?"],
  [
    'snake case',
    'name: a\noptimizer:\n  learning_rate: 1\n',
    [],
    "a.yaml:3: unknown key 'learning_rate' in 'optimizer'",
    "did you mean 'learningRate'?",
  ],
  [
    'in a branch',
    'name: a\nmodel:\n  family: bert\n  pooler: true\n  poler: 1\n',
    [],
    "a.yaml:5: unknown key 'poler' in 'model'",
    "did you mean 'pooler'?",
  ],
  [
    'in a list',
    'name: a\nparts:\n  - weight: 1\n  - wieght: 1\n    weight: 1\n',
    [],
    "a.yaml:4: unknown key 'wieght' in 'parts.1'",
    "did you mean 'weight'?",
  ],
  [
    'far from all',
    'name: a\noptimizer: {zzzzzz: 1}\n',
    [],
    "a.yaml:2: unknown key 'zzzzzz' in 'optimizer'",
    "known keys in 'optimizer': learningRate, betas",
  ],
  [
    'wrong type',
    'name: a\nsteps: many\n',
    [],
    'a.yaml:2: \'steps\' must be a number, not "many"',
    'mend the value there',
  ],
  ['missing', 'steps: 3\n', [], "a.yaml:1: 'name' is missing (text)", 'mend the value there'],
  [
    'wrong choice',
    'name: a\nsize: bas\n',
    [],
    'a.yaml:2: \'size\' must be one of tiny, base, not "bas"',
    "did you mean 'base'?",
  ],
  ['too small', 'name: a\nsteps: 0\n', [], "a.yaml:2: 'steps' must be >=1 (it is 0)", 'mend the value there'],
  [
    'override',
    'name: a\n',
    ['optimiser.learningRate=1'],
    "--set optimiser.learningRate=1: unknown key 'optimiser'",
    "did you mean 'optimizer'?",
  ],
  [
    'override type',
    'name: a\n',
    ['steps=x'],
    '--set steps=x: \'steps\' must be a number, not "x"',
    'mend the value there',
  ],
] as const) {
  test(`a mistake is named with its line: ${what}`, (t) => {
    t.deepEqual(failure(text, [...overrides]), { message, hint, code: 'config' });
  });
}

test('all mistakes come at once', (t) => {
  t.is(failure('nam: a\nsteps: x\n').message.split('\n').length, 3);
});

test('broken YAML gives line and column', (t) => {
  t.regex(failure('name: [a\n').message, /^a\.yaml:\d+:\d+: /);
});

test('an override without a key is a usage error', (t) => {
  t.is(failure('name: a\n', ['steps']).code, 'usage');
});

test('edit distance', (t) => {
  t.is(edits('kitten', 'sitting'), 3);
  t.is(edits('ab', 'ba'), 1);
  t.is(nearest('learning_rat', ['learningRate', 'steps']), 'learningRate');
  t.is(nearest('x', ['learningRate', 'steps']), undefined);
});
