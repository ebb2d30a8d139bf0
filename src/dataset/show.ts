/** A dataset folder in, its figures and a few rows as text out. */
import { batches } from './batches.ts';
import { type Manifest, readDatasetManifest, type Split } from './manifest.ts';

export interface ShowOptions {
  dir: string;
  split?: Split['name'] | undefined;
  rows?: number | undefined;
  /** Folder of the vocabulary: rows are then shown as text. */
  vocab?: string | undefined;
}

export async function showDataset(options: ShowOptions): Promise<{ data: object; text: string }> {
  const manifest = await readDatasetManifest(options.dir);
  const decode = await decoder(options.vocab);
  const rows: { tokens: string; [column: string]: unknown }[] = [];
  const wanted = options.rows ?? 3;
  if (wanted > 0) {
    const reader = batches({ dir: options.dir, split: options.split, batchSize: wanted, shuffle: false });
    for await (const batch of reader) {
      const width = batch.shapes.inputIds?.[1] ?? 0;
      for (let row = 0; row < batch.rows; row++) {
        const at = (array: Int32Array | undefined) => array?.subarray(row * width, (row + 1) * width);
        const segments = at(batch.segmentIds);
        rows.push({ tokens: decode(pieces(at(batch.inputIds)!, segments)) });
      }
      break;
    }
  }
  const shown = rows.map(({ tokens }, i) => `row ${i}: ${tokens}`).join('\n');
  return { data: { ...manifest, rows }, text: `${summary(manifest)}${shown ? `\n\n${shown}` : ''}` };
}

/** The ids of each document in a row, padding left out. */
function pieces(ids: Int32Array, segments: Int32Array | undefined): number[][] {
  const all: number[][] = [];
  ids.forEach((id, t) => {
    const segment = segments?.[t] ?? 1;
    if (segment === 0) return;
    all[segment - 1] ??= [];
    all[segment - 1]!.push(id);
  });
  return all;
}

async function decoder(vocab: string | undefined): Promise<(pieces: number[][]) => string> {
  if (!vocab) return (all) => all.map((ids) => ids.join(' ')).join(' | ');
  const { Tokenizer } = await import('../tokenizer/tokenizer.ts');
  const tokenizer = await Tokenizer.load(vocab);
  return (all) => all.map((ids) => tokenizer.decode(ids, { skipSpecialTokens: false })).join(' | ');
}

export function summary(manifest: Manifest): string {
  const { task, seqLen, vocabulary } = manifest.plan;
  const lines = [
    `${task.kind}, rows of ${seqLen} tokens, vocabulary of ${vocabulary.size}`,
    `${manifest.statistics.documents} documents, ${manifest.statistics.textBytes} bytes, ${manifest.statistics.tokens} tokens, ${manifest.statistics.rejected} rejected`,
  ];
  for (const split of manifest.splits) {
    const padding = (100 * split.padding) / Math.max(1, split.tokens + split.padding);
    lines.push(
      `${split.name}: ${split.documents} documents, ${split.rows} rows, ${split.tokens} tokens, ${padding.toFixed(3)} % padding, ${split.shards.length} shards`,
    );
  }
  return lines.join('\n');
}
