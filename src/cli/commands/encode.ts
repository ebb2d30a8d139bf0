/** `millrace encode`: documents on stdin, one a line, to token ids on stdout, one line each. */
import { once } from 'node:events';
import { Option } from 'commander';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import { action, type Define, integer } from '../command.ts';

type Format = 'ids' | 'tokens' | 'jsonl';
interface Flags {
  format: Format;
  special: boolean;
  threads?: number;
}

/** One line for each document. */
function write(tokenizer: Tokenizer, format: Format, ids: Int32Array): string {
  if (format === 'ids') return ids.join(' ');
  const tokens = Array.from(ids, (id) => tokenizer.idToToken(id) ?? '');
  return format === 'tokens' ? tokens.join(' ') : JSON.stringify({ ids: [...ids], tokens });
}

const define: Define = (command) => {
  command
    .argument('<vocabulary>', 'folder or file of a vocabulary')
    .addOption(new Option('--format <format>', 'of a line').choices(['ids', 'tokens', 'jsonl']).default('ids'))
    .option('--no-special', 'leave out the tokens of the template, such as [CLS] and [SEP]')
    .option('--threads <n>', 'worker threads; default: all cores', integer({ min: 1 }))
    .action(
      action(async (call, vocabulary: string, flags: Flags) => {
        const { Tokenizer } = await import('../../tokenizer/tokenizer.ts');
        const { lineBatches } = await import('../../tokenizer/lines.ts');
        const tokenizer = await Tokenizer.load(vocabulary);
        const { signal } = call.watch;
        const documents: number[][] = [];
        for await (const lines of lineBatches(process.stdin)) {
          const { ids, offsets } = await tokenizer.encodeBatch(lines, {
            addSpecialTokens: flags.special,
            signal,
            ...(flags.threads === undefined ? {} : { threads: flags.threads }),
          });
          if (call.output.json) {
            documents.push(...lines.map((_, i) => [...ids.subarray(offsets[i], offsets[i + 1])]));
            continue;
          }
          const out = lines.map((_, i) => write(tokenizer, flags.format, ids.subarray(offsets[i], offsets[i + 1])));
          if (!process.stdout.write(`${out.join('\n')}\n`)) await once(process.stdout, 'drain');
        }
        // One object, so all of it at the end; without --json lines go out as they come.
        return call.output.json ? { data: { documents } } : undefined;
      }),
    );
};
export default define;
