/**
 * Shows that an exported folder means to transformers and tokenizers what it means to us:
 *
 *     node --import=tsx bench/verify_export.ts --export DIR --corpus 'texts/*.txt' [--checkpoint RUN] [--dataset DIR] [--python python3]
 *
 * Our logits of the first 64 validation tokens, 48 greedy tokens after the first 16, and the ids of every document of
 * the corpus are written to a temporary folder; verify_export.py then computes the same with transformers and
 * tokenizers from the exported folder alone, prints the differences and fails where there are any.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import glob from 'fast-glob';
import { batches } from '../src/dataset/batches.ts';
import { loadDecoder } from '../src/generate/open.ts';
import { openPretrained } from '../src/pretrained/open.ts';
import { Tokenizer } from '../src/tokenizer/tokenizer.ts';
import { tensor, writeSafetensors } from '../src/train/safetensors.ts';
import { Session } from '../src/train/session.ts';

const TOKENS = 64;
const PROMPT = 16;

const { values } = parseArgs({
  options: {
    export: { type: 'string' },
    checkpoint: { type: 'string' },
    vocab: { type: 'string' },
    dataset: { type: 'string' },
    corpus: { type: 'string', multiple: true },
    python: { type: 'string', default: process.env.PYTHON ?? 'python3' },
  },
});
if (!values.export || !values.corpus) {
  console.error('usage: verify_export --export DIR --corpus GLOB [--checkpoint RUN] [--vocab DIR] [--dataset DIR]');
  process.exit(2);
}
const exported = resolve(values.export);
const vocab = values.vocab ?? exported;
const tokenizer = await Tokenizer.load(vocab);
const files = (await glob(values.corpus, { absolute: true })).sort();
const documents = files.map((file) => readFileSync(file, 'utf8'));
const { ids, offsets } = await tokenizer.encodeBatch(documents, { addSpecialTokens: false });

const tokens = (await validationTokens()) ?? ids.slice(0, TOKENS);
const pretrained = await openPretrained({ path: values.checkpoint ?? exported, vocab });
const { model, weights } = pretrained;
const session = Session.create({ parameters: model.parameters });
await weights.each(model.parameters, (name, piece, start) => session.write('weight', name, piece, start));
const program = await session.load(model.logitsProgram({ batchSize: 1, seqLen: tokens.length }));
const { logits } = await session.run(program, { input_ids: tokens });
const decoder = await loadDecoder(pretrained, { capacity: tokens.length });
decoder.start(1);
await decoder.prompt([tokens.subarray(0, PROMPT)], { temperature: 0, maxNewTokens: tokens.length - PROMPT });
const { rows } = await decoder.advance(60_000);
await weights.close();

const folder = mkdtempSync(join(tmpdir(), 'millrace-verify-'));
try {
  writeFileSync(join(folder, 'files.json'), JSON.stringify(files));
  await writeSafetensors(join(folder, 'ours.safetensors'), [
    tensor('input_ids', [1, tokens.length], tokens),
    tensor('logits', [tokens.length, pretrained.config.vocab_size], logits as Float32Array),
    tensor('generated', [rows[0]!.length], Int32Array.from(rows[0]!)),
    tensor('corpus.ids', [ids.length], ids),
    tensor('corpus.offsets', [offsets.length], Int32Array.from(offsets)),
  ]);
  const script = fileURLToPath(new URL('./verify_export.py', import.meta.url));
  const { status, error } = spawnSync(values.python, [script, exported, folder], { stdio: 'inherit' });
  if (error) console.error(`${values.python} can't be run: ${error.message} (name another with --python)`);
  process.exitCode = status ?? 3;
} finally {
  rmSync(folder, { recursive: true });
}

/** The first tokens of the validation split as it is stored. */
async function validationTokens(): Promise<Int32Array | undefined> {
  if (!values.dataset) return undefined;
  for await (const { inputIds } of batches({ dir: values.dataset, split: 'validation', batchSize: 1, shuffle: false }))
    return inputIds.slice(0, TOKENS);
  return undefined;
}
