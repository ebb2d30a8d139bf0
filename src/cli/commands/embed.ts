/** `millrace embed`: a text a line on stdin, its vector as a JSON list a line on stdout. */
import { createInterface } from 'node:readline';
import { Option } from 'commander';
import { action, type Define, integer } from '../command.ts';

interface Options {
  vocab?: string;
  pool: 'mean' | 'cls';
  normalise: boolean;
  batchSize: number;
  threads?: number;
}

const define: Define = (command) => {
  command
    .argument('<checkpoint>', 'a run, a checkpoint, or a Hugging Face folder of a BERT')
    .addOption(
      new Option('--pool <how>', 'the mean of all tokens of the last layer, or its first token')
        .choices(['mean', 'cls'])
        .default('mean'),
    )
    .option('--no-normalise', 'leave vectors as long as they are, not at length 1')
    .option('--batch-size <n>', 'texts side by side', integer({ min: 1 }), 16)
    .option('--threads <n>', 'worker threads', integer({ min: 1 }))
    .option('--vocab <dir>', "the vocabulary's folder, where the checkpoint does not say")
    .action(
      action(async (call, checkpoint: string, options: Options) => {
        const { embed } = await import('../../generate/masked.ts');
        const texts: string[] = [];
        for await (const line of createInterface({ input: process.stdin })) texts.push(line);
        const vectors = (await embed({ checkpoint, ...options, ...call.watch, texts })).map((vector) => [...vector]);
        return { data: { vectors }, text: vectors.map((vector) => JSON.stringify(vector)).join('\n') };
      }),
    );
};
export default define;
