/** `millrace classify`: a text a line on stdin (a pair with a tab between), its label a line on stdout. */
import { createInterface } from 'node:readline';
import { type AttentionFlags, attentionOptions, writeAttention } from '../attention.ts';
import { action, type Define, integer } from '../command.ts';

interface Options extends AttentionFlags {
  vocab?: string;
  batchSize: number;
  threads?: number;
  probabilities?: boolean;
}

const define: Define = (command) => {
  attentionOptions(
    command
      .argument('<checkpoint>', 'a run, a checkpoint, or a Hugging Face folder with a class head')
      .option('--probabilities', 'the probability of every class behind the label')
      .option('--batch-size <n>', 'texts side by side', integer({ min: 1 }), 16)
      .option('--threads <n>', 'worker threads', integer({ min: 1 }))
      .option('--vocab <dir>', "the vocabulary's folder, where the checkpoint does not say"),
  ).action(
    action(async (call, checkpoint: string, { probabilities, ...options }: Options) => {
      const { classify } = await import('../../generate/classify.ts');
      const texts: (string | [string, string])[] = [];
      for await (const line of createInterface({ input: process.stdin })) {
        const [first = '', second] = line.split('\t');
        texts.push(second === undefined ? first : [first, second]);
      }
      const found = await classify({ checkpoint, ...options, ...call.watch, texts });
      const rows = found.map(({ read, label }, i) => ({
        ...read,
        title: `${label}: ${[texts[i]!].flat().join(' / ')}`,
      }));
      await writeAttention({ checkpoint, ...options, rows });
      const lines = found.map(({ label, probabilities: shares }) =>
        probabilities
          ? [label, ...Object.entries(shares).map(([name, share]) => `${name} ${share.toFixed(4)}`)].join('\t')
          : label,
      );
      const results = found.map(({ read: _, ...result }) => result);
      return { data: { results }, text: lines.join('\n') };
    }),
  );
};
export default define;
