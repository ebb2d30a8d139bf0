/** A row of a batch in, a line of text out in which masks, pairs, documents and targets can be seen. */
import type { Batch } from './batches.ts';
import type { Manifest } from './manifest.ts';

/** Ids to text; without a vocabulary, to the numbers. */
export type Decode = (ids: number[]) => string;

/**
 * - causal: documents apart by ` | `. chat: what the loss counts in `⟦ ⟧`.
 * - masked: `{what stood there → what the model sees}`. nsp, sop: whether B follows, then A ` ‖ ` B.
 * - span, seq2seq: source ` ⇒ ` target. classify: the class, then the texts.
 */
export function renderRow(manifest: Manifest, batch: Batch, row: number, decode: Decode): string {
  const { task } = manifest.plan;
  const of = (name: keyof Batch) => slice(batch, name, row);
  const ids = of('inputIds');
  switch (task.kind) {
    case 'causal':
      return split(ids, of('segmentIds'), (token) => token === 0)
        .map(decode)
        .join(' | ');
    case 'chat': {
      const labels = of('labels');
      const targets = ids.map((_, t) => (t > 0 && labels[t - 1] !== IGNORED ? 1 : 0));
      const segments = of('segmentIds');
      const documents = runs(segments).filter(([start]) => segments[start] !== 0);
      return documents.map(([start, end]) => marked(ids, targets, start, end, decode)).join(' | ');
    }
    case 'mlm':
      return masked(batch, row, decode, 0, length(of('attentionMask')));
    case 'pair': {
      const end = length(of('attentionMask'));
      const middle = of('tokenTypeIds').indexOf(1);
      const [a, b] = [masked(batch, row, decode, 0, middle), masked(batch, row, decode, middle, end)];
      const names = task.order ? ['in order', 'swapped'] : ['follows', 'random'];
      return `(${names[batch.nextSentenceLabel![row]!]}) ${a} ‖ ${b}`;
    }
    case 'span':
    case 'seq2seq': {
      const source = ids.slice(0, length(of('attentionMask')));
      const target = of('labels').filter((id) => id !== IGNORED);
      return `${decode(source)} ⇒ ${decode(target)}`;
    }
    case 'classify': {
      const text = ids.slice(0, length(of('attentionMask')));
      const types = of('tokenTypeIds').slice(0, text.length);
      const classes = task.classes as string[];
      return `(${classes[batch.labels![row]!]}) ${split(text, types, () => false)
        .map(decode)
        .join(' ‖ ')}`;
    }
    default:
      return decode(ids);
  }
}

const IGNORED = -100;

function slice(batch: Batch, name: keyof Batch, row: number): number[] {
  const width = batch.shapes[name]?.[1] ?? 1;
  return Array.from((batch[name] as Int32Array).subarray(row * width, (row + 1) * width));
}

const length = (mask: number[]) => mask.reduce((sum, one) => sum + one, 0);

/** Stretches of equal values, as [start, end). */
function runs(values: number[]): [number, number][] {
  const starts = values.flatMap((value, t) => (t === 0 || value !== values[t - 1] ? [t] : []));
  return starts.map((start, i) => [start, starts[i + 1] ?? values.length]);
}

function split(ids: number[], by: number[], skip: (value: number) => boolean): number[][] {
  return runs(by).flatMap(([start, end]) => (skip(by[start]!) ? [] : [ids.slice(start, end)]));
}

function marked(ids: number[], targets: number[], start: number, end: number, decode: Decode): string {
  const parts = runs(targets.slice(start, end)).map(([from, to]) => {
    const text = decode(ids.slice(start + from, start + to));
    return targets[start + from] ? `⟦${text}⟧` : text;
  });
  return parts.join('');
}

/** Tokens start..end with the masked ones as `{stood → stands}`. */
function masked(batch: Batch, row: number, decode: Decode, start: number, end: number): string {
  const ids = slice(batch, 'inputIds', row).slice(start, end);
  const labels = slice(batch, 'labels', row).slice(start, end);
  const chosen = labels.map((label) => (label === IGNORED ? 0 : 1));
  const parts = runs(chosen).map(([from, to]) => {
    const seen = decode(ids.slice(from, to));
    return chosen[from] ? `{${decode(labels.slice(from, to))} → ${seen}}` : seen;
  });
  return parts.join(' ');
}
