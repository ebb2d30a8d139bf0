/** A folder with one of everything that a command can be given: text, recipes, and small runs of every kind. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { millrace } from './run.ts';

const NOUNS = ['whale', 'ship', 'captain', 'harbour', 'sea', 'boat', 'wheel', 'miller'];
const sentence = (i: number) =>
  `The ${NOUNS[i % 8]} saw the ${NOUNS[(i * 3 + 1) % 8]}. It left the ${NOUNS[(i * 5 + 2) % 8]} at ${i % 12} o'clock.`;

const model = 'hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2';
const TRAINING = 'training: { steps: 2, batch_size: 4, seed: 1 }';
const OPTIMIZER = 'optimizer: { lr: 0.01 }';

const FILES: Record<string, string> = {
  'lm.yaml': `name: lm
out: lm
stages:
  corpus: { files: [text.txt], format: line }
  vocab: { vocab_size: 300 }
  dataset: { seq_len: 16, split: { train: 0.8, validation: 0.2 } }
  train:
    model: { family: llama, ${model} }
    ${OPTIMIZER}
    ${TRAINING}
  evaluate: {}
  sample: { prompts: [The], max_new_tokens: 4 }
  attention: { texts: [The whale saw the ship.] }
  report: {}
`,
  'bert.yaml': `name: bert
out: bert
stages:
  corpus: { files: [text.txt], format: line }
  vocab: { kind: wordpiece, vocab_size: 120 }
  dataset: { task: mlm, seq_len: 16, split: { train: 0.8, validation: 0.2 } }
  train:
    model: { family: bert, head: maskedlm, ${model} }
    ${OPTIMIZER}
    ${TRAINING}
  finetune:
    task: classify
    data: { train: [labelled.jsonl] }
    max_length: 16
    ${OPTIMIZER}
    ${TRAINING}
  evaluate: {}
  report: {}
`,
  's2s.yaml': `name: s2s
out: s2s
stages:
  pairs: { file: pairs.json }
  vocab: { vocab_size: 300, special_tokens: [<pad>, <s>, </s>] }
  dataset: { task: seq2seq, seq_len: 16, split: { train: 0.8, validation: 0.2 } }
  train:
    model: { family: transformer, d_model: 16, encoder_layers: 1, decoder_layers: 1, heads: 2, ff: 32 }
    ${OPTIMIZER}
    ${TRAINING}
`,
  'recipe.yaml': `dataset: lm/dataset
vocab: lm/vocab
out: trained
model: { family: llama, ${model} }
${OPTIMIZER}
${TRAINING}
`,
  'finetune.yaml': `checkpoint: bert
out: tuned
task: classify
data: { train: [labelled.jsonl] }
max_length: 16
${OPTIMIZER}
${TRAINING}
`,
  'labelled.jsonl': Array.from({ length: 40 }, (_, i) =>
    JSON.stringify({ text: sentence(i), label: i % 2 ? 'sea' : 'land' }),
  ).join('\n'),
  'pairs.json': JSON.stringify(
    Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${NOUNS[i % 8]} ${i}`, `${i} ${NOUNS[i % 8]}`])),
  ),
  'text.txt': Array.from({ length: 120 }, (_, i) => `${sentence(i)}\n`).join(''),
};

/** Makes it by the command line itself. */
export async function makeWorld(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-world-'));
  for (const [name, text] of Object.entries(FILES)) await writeFile(join(dir, name), text);
  await mkdir(join(dir, 'out'));
  const runs = await Promise.all(['lm', 'bert', 's2s'].map((name) => millrace(['run', `${name}.yaml`], { cwd: dir })));
  for (const { code, stderr } of runs) if (code !== 0) throw new Error(stderr);
  return dir;
}
