/** The examples of docs/autodiff.md and docs/models.md run as they stand. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Model, Program } from '../../src/model/index.ts';

const root = new URL('../../', import.meta.url);

async function runExamples(page: string, give: string): Promise<Record<string, unknown>> {
  const text = readFileSync(new URL(`docs/${page}`, root), 'utf8');
  const blocks = [...text.matchAll(/```ts\n(.*?)```/gs)]
    .map((block) => block[1]!)
    .filter((code) => code.startsWith('import'));
  const names = new Set(give.split(', '));
  // Each block is a module of its own, so that names don't meet.
  const folder = mkdtempSync(join(tmpdir(), 'millrace-docs-'));
  const found: Record<string, unknown> = {};
  for (const [i, code] of blocks.entries()) {
    const path = join(folder, `example${i}.mts`);
    const here = code.replaceAll(/'millrace\/(\w+)'/g, (_, part) =>
      JSON.stringify(new URL(`src/${part}/index.ts`, root).href),
    );
    const exported = [...names].filter((name) => new RegExp(`const (\\[)?${name}\\b`).test(code));
    writeFileSync(path, `${here}\nexport { ${exported.join(', ')} };\n`);
    Object.assign(found, await import(path));
  }
  rmSync(folder, { recursive: true });
  return found;
}

test('autodiff.md', async (t) => {
  const { bytes } = await runExamples('autodiff.md', 'bytes');
  t.true((bytes as Uint8Array).length > 200);
});

test('models.md: every example runs', async (t) => {
  const { model, program } = await runExamples('models.md', 'model, program');
  t.is((model as Model).family, 'llama');
  t.truthy((program as Program).onnx);
});

test('models.md shows examples/own_model.ts as it is', (t) => {
  const example = readFileSync(new URL('examples/own_model.ts', root), 'utf8');
  t.true(readFileSync(new URL('docs/models.md', root), 'utf8').includes(example));
});
