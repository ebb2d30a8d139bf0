/** A dataset folder in, its figures and a few rows as text out. */
import { batches } from './batches.ts';
import { type Manifest, readDatasetManifest, type Split } from './manifest.ts';
import { type Decode, renderRow } from './render.ts';

export interface ShowOptions {
  dir: string;
  split?: Split['name'] | undefined;
  rows?: number | undefined;
  /** Folder of the vocabulary: rows are then shown as text. */
  vocab?: string | undefined;
}

export async function showDataset(
  options: ShowOptions,
): Promise<{ data: Manifest & { rows: string[] }; text: string }> {
  const manifest = await readDatasetManifest(options.dir);
  const decode = await decoder(options.vocab);
  const rows: string[] = [];
  const wanted = options.rows ?? 3;
  if (wanted > 0) {
    const reader = batches({ dir: options.dir, split: options.split, batchSize: wanted, shuffle: false, prefetch: 1 });
    for await (const batch of reader) {
      for (let row = 0; row < batch.rows; row++) rows.push(renderRow(manifest, batch, row, decode));
      break;
    }
  }
  const shown = rows.map((row, i) => `row ${i}: ${row}`).join('\n');
  return { data: { ...manifest, rows }, text: `${summary(manifest)}${shown ? `\n\n${shown}` : ''}` };
}

async function decoder(vocab: string | undefined): Promise<Decode> {
  if (!vocab) return (ids) => ids.join(' ');
  const { Tokenizer } = await import('../tokenizer/tokenizer.ts');
  const tokenizer = await Tokenizer.load(vocab);
  return (ids) => tokenizer.decode(ids, { skipSpecialTokens: false });
}

export function summary(manifest: Manifest): string {
  const { task, seqLen, vocabulary } = manifest.plan;
  const { documents, textBytes, tokens, rejected, filtered, copies } = manifest.statistics;
  const lines = [
    `${task.kind}, rows of ${seqLen} tokens, vocabulary of ${vocabulary.size}`,
    `${documents} documents, ${textBytes} bytes, ${tokens} tokens; ${rejected} records refused, ${filtered} filtered out, ${copies} copies`,
  ];
  for (const split of manifest.splits) {
    const padding = (100 * split.padding) / Math.max(1, split.tokens + split.padding);
    const random = (100 * split.randomPairs) / Math.max(1, split.rows);
    const pairs = task.kind === 'pair' ? `, ${random.toFixed(1)} % ${task.order ? 'swapped' : 'random'}` : '';
    lines.push(
      `${split.name}: ${split.documents} documents, ${split.rows} rows, ${split.tokens} tokens, ${padding.toFixed(3)} % padding${pairs}, ${split.cutDocuments} documents cut, ${split.shards.length} shards`,
    );
  }
  return lines.join('\n');
}
