/** `--attention out.html`: the options, and the page of heat maps of what a verb's model has read. */
import { type Command, InvalidArgumentError } from 'commander';
import type { ReadTokens } from '../generate/attention.ts';
import type { Watch } from '../progress.ts';

export interface AttentionFlags {
  attention?: string;
  layers?: number[];
  heads?: number[];
}

export function attentionOptions(command: Command): Command {
  return command
    .option('--attention <file>', 'draw who looked at whom: heat maps of all heads as an HTML page')
    .option('--layers <list>', 'with --attention: layers, such as 1,3-4', numbers)
    .option('--heads <list>', 'with --attention: heads of each layer', numbers);
}

interface PageOptions extends AttentionFlags, Watch {
  checkpoint: string;
  vocab?: string | undefined;
  threads?: number | undefined;
  rows: (ReadTokens & { title: string })[];
}

/** Nothing where no page was asked for. */
export async function writeAttention({ attention: path, checkpoint, rows, ...options }: PageOptions): Promise<void> {
  if (path === undefined) return;
  const [{ attention }, { attentionHtml }, { writeWhole }] = await Promise.all([
    import('../generate/attention.ts'),
    import('../report/attention.ts'),
    import('../atomic.ts'),
  ]);
  const maps = await attention({ checkpoint, rows, ...options });
  const texts = rows.map(({ title }, i) => ({ title, maps: maps[i]! }));
  await writeWhole(path, attentionHtml({ title: `Attention of ${checkpoint}`, texts }));
}

/** `1,3-4` -> 1, 3, 4. */
function numbers(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [, first, last] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part.trim()) ?? [];
    if (first === undefined) throw new InvalidArgumentError('It must be numbers from 1 on, such as 1,3-4.');
    const [from, to] = [Number(first), Number(last ?? first)];
    return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
  });
}
