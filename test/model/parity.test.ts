/**
 * Every family against PyTorch and transformers: outputs, losses, every gradient, the losses of five AdamW steps under two
 * recipes, greedy ids, of stored examples (made by bench/fixtures.py and its like; parameters after AdamW: npm run parity).
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { attentionForms } from '../../bench/parity/attention.ts';
import { readExample } from '../../bench/parity/example.ts';
import { modelResults } from '../../bench/parity/model.ts';
import type { TensorSource } from '../../src/train/safetensors.ts';

const root = fileURLToPath(new URL('../fixtures/models/', import.meta.url));

/** As in the examples' meta.json: 2e-5, or ten times PyTorch's own float32 noise where that is larger. */
function tolerance(name: string, noise: Record<string, { max_abs_err_f32: number }> = {}): number {
  const group = name.startsWith('out.') ? name : name.split('.')[0]!;
  return Math.max(name.endsWith('.losses') ? 5e-5 : 2e-5, 10 * (noise[group]?.max_abs_err_f32 ?? 0));
}

function values({ dtype, chunks }: TensorSource): number[] {
  const bytes = Uint8Array.from(Buffer.concat([...chunks()])).buffer;
  return dtype === 'I64' ? Array.from(new BigInt64Array(bytes), Number) : Array.from(new Float32Array(bytes));
}

for (const name of readdirSync(root)) {
  test(`${name}: what PyTorch gives`, async (t) => {
    const example = await readExample(`${root}${name}`);
    const results = await (example.options.family === 'attention' ? attentionForms : modelResults)(example);
    const expected = await example.read([
      ...results.map((result) => result.name),
      'out.',
      'grad.',
      'grad_norm',
      'greedy_ids',
    ]);
    for (const [key, { shape, values: wanted }] of expected) {
      const found = results.find((result) => result.name === key);
      if (!found) {
        t.fail(`${key} is missing`);
        continue;
      }
      t.deepEqual(found.shape, shape, key);
      const limit = tolerance(
        key,
        example.meta.noise_floor_float32_torch as Record<string, { max_abs_err_f32: number }>,
      );
      const got = values(found);
      const worst = got.reduce((most, value, i) => {
        const error = Math.abs(value - wanted[i]!);
        return error <= most ? most : error;
      }, 0);
      t.true(worst <= limit, `${key}: off by ${worst}, allowed ${limit}`);
    }
  });
}
