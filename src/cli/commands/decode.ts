/** `millrace decode`: token ids on stdin to text on stdout, as they come; a line of ids becomes a line of text. */
import { once } from 'node:events';
import { Option } from 'commander';
import { action, type Define } from '../command.ts';

interface Flags {
  format: string;
  keepSpecial?: boolean;
}

const define: Define = (command) => {
  command
    .argument('<vocabulary>', 'folder or file of a vocabulary')
    .addOption(
      new Option('--format <format>', 'what stdin holds; jsonl: objects with `ids`')
        .choices(['ids', 'tokens', 'jsonl'])
        .default('ids'),
    )
    .option('--keep-special', 'write special tokens too')
    .action(
      action(async (call, vocabulary: string, flags: Flags) => {
        const { MillraceError } = await import('../../errors.ts');
        const { Tokenizer } = await import('../../tokenizer/tokenizer.ts');
        const tokenizer = await Tokenizer.load(vocabulary);
        const options = { skipSpecialTokens: !flags.keepSpecial };
        const stream = tokenizer.decodeStream(options);
        let line = 1;
        const bad = (text: string) =>
          new MillraceError('input', `line ${line}: ${JSON.stringify(text.slice(0, 60))} is not ${flags.format}`);
        const idOf = (word: string): number => {
          const id =
            flags.format === 'tokens' ? tokenizer.tokenToId(word) : /^\d{1,9}$/.test(word) ? Number(word) : undefined;
          if (id === undefined) throw bad(word);
          return id;
        };
        const idsOf = (text: string): number[] => {
          if (flags.format !== 'jsonl') return text.split(' ').filter(Boolean).map(idOf);
          if (text.trim() === '') return [];
          try {
            const { ids } = JSON.parse(text) as { ids: number[] };
            if (Array.isArray(ids)) return ids;
          } catch {}
          throw bad(text);
        };
        let all = '';
        const write = async (text: string) => {
          if (call.output.json) all += text;
          else if (text && !process.stdout.write(text)) await once(process.stdout, 'drain');
        };
        // Whole words of an unfinished line are decoded at once, so that ids that trickle in come out as text.
        let rest = '';
        const utf8 = new TextDecoder();
        for await (const chunk of process.stdin) {
          if (call.watch.signal.aborted) throw new MillraceError('cancelled', 'decode was cancelled');
          const parts = (rest + utf8.decode(chunk as Uint8Array, { stream: true })).split(/\r?\n/);
          rest = parts.pop() ?? '';
          let out = '';
          for (const part of parts) {
            out += `${stream.push(idsOf(part))}${stream.finish()}\n`;
            line++;
          }
          const end = flags.format === 'jsonl' ? -1 : rest.lastIndexOf(' ');
          if (end >= 0) {
            out += stream.push(idsOf(rest.slice(0, end)));
            rest = rest.slice(end + 1);
          }
          await write(out);
        }
        await write(stream.push(idsOf(rest)) + stream.finish() + (rest ? '\n' : ''));
        return call.output.json ? { data: { texts: all.split('\n').slice(0, -1) } } : undefined;
      }),
    );
};
export default define;
