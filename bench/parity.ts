/**
 * Runs a stored example of another implementation through our models and optimizer:
 * `npm run --silent parity -- FIXTURE_DIR OUT.safetensors`. FIXTURE_DIR holds config.json, model.safetensors (and
 * head.safetensors), meta.json and the inputs `in.*` of expected.safetensors; OUT gets `out.*`, `grad.*`, `grad_norm`,
 * `adamw_*.param.*`, `adamw_*.losses` and `greedy_ids`, to be compared with the rest of expected.safetensors.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TensorSource, writeSafetensors } from '../src/train/safetensors.ts';
import { attentionForms } from './parity/attention.ts';
import { readExample } from './parity/example.ts';
import { modelResults } from './parity/model.ts';
import { optimizerRuns } from './parity/optim.ts';

const [dir, out] = process.argv.slice(2);
if (!dir || !out || !existsSync(join(dir, 'meta.json'))) {
  console.error('usage: npm run --silent parity -- FIXTURE_DIR OUT.safetensors (FIXTURE_DIR holds meta.json)');
  process.exit(2);
}
const example = await readExample(dir);
const kinds: Record<string, (e: typeof example) => Promise<TensorSource[]>> = {
  attention: attentionForms,
  optim: optimizerRuns,
};
const family = (JSON.parse(readFileSync(join(dir, 'meta.json'), 'utf8')) as { options: { family: string } }).options
  .family;
const results = await (kinds[family] ?? modelResults)(example);
const { bytes } = await writeSafetensors(out, results);
console.log(`${results.length} tensors, ${bytes} bytes in ${out}`);
