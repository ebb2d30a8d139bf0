/** Small stages that do what the real ones do to the engine: read files, take from others, write, go on after a kill. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Stage } from '../../src/pipeline/stage.ts';

const slow = z.int().default(0);

const corpus: Stage = {
  kind: 'corpus',
  about: 'copies a file',
  schema: z.strictObject({ files: z.array(z.string()), slow }),
  needs: {},
  code: [],
  reads: async (config) => (config as { files: string[] }).files,
  async run({ config, out }) {
    const { files, slow } = config as { files: string[]; slow: number };
    await writeFile(join(out, 'half.txt'), 'half');
    await sleep(slow);
    const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
    await writeFile(join(out, 'half.txt'), texts.join(''));
    return { bytes: texts.join('').length };
  },
};

const vocab: Stage = {
  kind: 'vocab',
  about: 'the set of letters, upper case or not',
  schema: z.strictObject({ upper: z.boolean().default(false), slow }),
  needs: { corpus: { kinds: ['corpus'] } },
  code: [],
  deterministic: (path) => !path.endsWith('time.txt'),
  async run({ config, inputs, out }) {
    const { upper, slow } = config as { upper: boolean; slow: number };
    const text = await readFile(join(inputs.corpus!.dir, 'half.txt'), 'utf8');
    const letters = [...new Set(upper ? text.toUpperCase() : text)].sort().join('');
    await writeFile(join(out, 'time.txt'), String(performance.now()));
    await sleep(slow);
    await writeFile(join(out, 'letters.txt'), letters);
    return { size: letters.length };
  },
};

/** Appends a letter a step; a killed one goes on. */
const train: Stage = {
  kind: 'train',
  about: 'repeats the letters',
  schema: z.strictObject({ steps: z.int().default(3), slow }),
  needs: { vocab: { kinds: ['vocab'] }, corpus: { kinds: ['corpus'] } },
  code: [],
  resumes: true,
  entries: ['model.txt', 'checkpoints', 'events.*'],
  async run({ config, inputs, out, onEvent }) {
    const { steps, slow } = config as { steps: number; slow: number };
    const letters = await readFile(join(inputs.vocab!.dir, 'letters.txt'), 'utf8');
    await mkdir(join(out, 'checkpoints'), { recursive: true });
    let begun = 0;
    for (let step = 0; step < steps; step++) {
      const path = join(out, 'checkpoints', `${step}.txt`);
      if (await readFile(path).catch(() => undefined)) continue;
      begun++;
      await sleep(slow / steps);
      await writeFile(path, letters.repeat(step));
      onEvent({ type: 'step', step });
    }
    await writeFile(join(out, 'events.1'), String(begun));
    await writeFile(join(out, 'model.txt'), letters.repeat(steps));
    return { steps, begun };
  },
  deterministic: (path) => !path.startsWith('events'),
};

const report: Stage = {
  kind: 'report',
  about: 'names what it saw',
  schema: z.strictObject({}),
  needs: {},
  takesAll: true,
  code: [],
  entries: ['report.html'],
  async run({ inputs, out }) {
    await writeFile(join(out, 'report.html'), Object.keys(inputs).join(' '));
    return {};
  },
};

const broken: Stage = {
  kind: 'broken',
  about: 'fails',
  schema: z.strictObject({}),
  needs: { vocab: { kinds: ['vocab'] } },
  code: [],
  async run() {
    throw new Error('broken on purpose');
  },
};

export const stages: Stage[] = [corpus, vocab, train, report, broken];
