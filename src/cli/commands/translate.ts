/** `millrace translate`: a text a line on stdin, its translation a line on stdout. */
import { createInterface } from 'node:readline';
import { type AttentionFlags, attentionOptions, writeAttention } from '../attention.ts';
import { action, type Define, integer, number } from '../command.ts';

interface Options extends AttentionFlags {
  vocab?: string;
  beams: number;
  lengthPenalty?: number;
  maxNewTokens: number;
  batchSize: number;
  threads?: number;
}

const define: Define = (command) => {
  attentionOptions(
    command
      .argument('<checkpoint>', 'a run, a checkpoint, or a Hugging Face folder of an encoder-decoder')
      .option('--beams <n>', 'hypotheses to keep; 1 takes the likeliest token each time', integer({ min: 1 }), 1)
      .option('--length-penalty <x>', 'with beams: above 1 favours long translations', number())
      .option('-n, --max-new-tokens <n>', 'tokens at most', integer({ min: 1 }), 128)
      .option('--batch-size <n>', 'texts side by side', integer({ min: 1 }), 32)
      .option('--threads <n>', 'worker threads', integer({ min: 1 }))
      .option('--vocab <dir>', "the vocabulary's folder, where the checkpoint does not say"),
  ).action(
    action(async (call, checkpoint: string, options: Options) => {
      const { translations } = await import('../../generate/translate.ts');
      const texts: string[] = [];
      for await (const line of createInterface({ input: process.stdin })) texts.push(line);
      const found = await translations({ checkpoint, ...options, ...call.watch, texts });
      const rows = found.map(({ source, target }, i) => ({ ids: source, target, title: texts[i]! }));
      await writeAttention({ checkpoint, ...options, rows });
      const said = found.map(({ text }) => text);
      return { data: { translations: said }, text: said.join('\n') };
    }),
  );
};
export default define;
