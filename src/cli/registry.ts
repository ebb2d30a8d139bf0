/**
 * Every verb with its one-line summary. `millrace --help` needs nothing more, so a verb's file (commands/<name>.ts) and
 * all it imports are loaded only when that verb is called.
 */
import { existsSync } from 'node:fs';
import type { Define } from './command.ts';

const VERBS: [name: string, summary: string][] = [
  ['run', 'run a pipeline: only the stages whose inputs changed'],
  ['status', 'say which stages of a pipeline are fresh or stale, and why'],
  ['vocab', 'train, show, extend, prune or convert a vocabulary'],
  ['encode', 'text on stdin to token ids on stdout'],
  ['decode', 'token ids on stdin to text on stdout'],
  ['dataset', 'build, show or verify a dataset of training rows'],
  ['train', 'train a model by a recipe'],
  ['finetune', 'train further from a checkpoint'],
  ['evaluate', 'loss, perplexity and bits a byte of a checkpoint'],
  ['sample', 'continue a prompt'],
  ['translate', 'translate text on stdin'],
  ['classify', 'label text on stdin'],
  ['fill', 'say what is behind each [MASK] of text on stdin'],
  ['embed', 'text on stdin to vectors on stdout'],
  ['export', 'write a checkpoint as a Hugging Face folder, ONNX or GGUF'],
  ['report', 'write one self-contained HTML page about a run'],
  ['watch', 'serve that page live while runs train'],
  ['recipes', 'list the pipelines and recipes that come along, or copy one'],
  ['schema', 'print the JSON Schema of pipelines and recipes, for editors'],
  ['stage', 'one stage on one partition, Arrow in and out, for cluster engines'],
  ['doctor', 'check this machine, with a remedy for each failure'],
  ['completion', 'print the completion script of a shell'],
];

export interface Verb {
  name: string;
  summary: string;
  load(): Promise<Define>;
}

/** The verbs whose file is there, in the order of the help page. */
export function verbs(): Verb[] {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const file = (name: string) => new URL(`./commands/${name}.${extension}`, import.meta.url);
  return VERBS.filter(([name]) => existsSync(file(name))).map(([name, summary]) => ({
    name,
    summary,
    load: async () => ((await import(file(name).href)) as { default: Define }).default,
  }));
}
