/** `millrace fill`: a text a line on stdin, the likeliest tokens behind each of its [MASK] marks on stdout. */
import { createInterface } from 'node:readline';
import { action, type Define, integer } from '../command.ts';

interface Options {
  vocab?: string;
  k: number;
  batchSize: number;
  threads?: number;
}

const define: Define = (command) => {
  command
    .argument('<checkpoint>', 'a run, a checkpoint, or a Hugging Face folder of a pre-trained BERT')
    .option('-k, --k <n>', 'candidates for each mark', integer({ min: 1 }), 5)
    .option('--batch-size <n>', 'texts side by side', integer({ min: 1 }), 16)
    .option('--threads <n>', 'worker threads', integer({ min: 1 }))
    .option('--vocab <dir>', "the vocabulary's folder, where the checkpoint does not say")
    .action(
      action(async (call, checkpoint: string, options: Options) => {
        const { fill } = await import('../../generate/masked.ts');
        const texts: string[] = [];
        for await (const line of createInterface({ input: process.stdin })) texts.push(line);
        const results = await fill({ checkpoint, ...options, ...call.watch, texts });
        const lines = results.flatMap((fillings) => {
          const marks = [...new Set(fillings.map(({ mask }) => mask))];
          return marks.map((mark) =>
            fillings
              .filter(({ mask }) => mask === mark)
              .map(({ token, probability }) => `${token} ${probability.toFixed(4)}`)
              .join('\t'),
          );
        });
        return { data: { results }, text: lines.join('\n') };
      }),
    );
};
export default define;
