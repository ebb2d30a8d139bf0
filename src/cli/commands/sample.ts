/** `millrace sample`: continues a prompt, the text streaming to stdout. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { MillraceError } from '../../errors.ts';
import { type AttentionFlags, attentionOptions, writeAttention } from '../attention.ts';
import { action, collect, type Define, integer, number } from '../command.ts';

export interface SamplingFlags {
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetitionPenalty?: number;
  seed?: number;
  threads?: number;
}

interface Options extends SamplingFlags, AttentionFlags {
  vocab?: string;
  prompt?: string;
  promptFile?: string;
  maxNewTokens: number;
  minNewTokens?: number;
  samples: number;
  stop: string[];
}

/** The options of every verb that draws tokens. */
export function samplingOptions(command: Command): Command {
  return command
    .option('--temperature <t>', 'below 1 bolder, above 1 wilder; 0 takes the likeliest token', number({ min: 0 }))
    .option('--top-k <k>', 'draw from the k likeliest', integer({ min: 1 }))
    .option('--top-p <p>', 'draw from the likeliest that together reach this probability', number({ min: 0, max: 1 }))
    .option('--min-p <p>', 'drop what has less than this share of the likeliest', number({ min: 0, max: 1 }))
    .option('--repetition-penalty <x>', 'above 1: less of what was said', number({ min: 0 }))
    .option('--seed <n>', 'the same seed draws the same tokens', integer({ min: 0 }))
    .option('--threads <n>', 'worker threads', integer({ min: 1 }));
}

const define: Define = (command) => {
  attentionOptions(
    samplingOptions(
      command
        .argument('<checkpoint>', 'a run, a checkpoint, or a Hugging Face folder')
        .option('-p, --prompt <text>', 'what to continue; without it the model begins')
        .option('--prompt-file <file>', 'the same from a file; - is stdin')
        .option('-n, --max-new-tokens <n>', 'tokens at most', integer({ min: 1 }), 100)
        .option('--min-new-tokens <n>', 'no end before so many', integer({ min: 0 }))
        .option('--samples <n>', 'continuations', integer({ min: 1 }), 1)
        .option('--stop <text>', 'end where this text comes (may be repeated)', collect, [])
        .option('--vocab <dir>', "the vocabulary's folder, where the checkpoint does not say"),
    ),
  ).action(
    action(async (call, checkpoint: string, options: Options) => {
      const { sample } = await import('../../generate/sample.ts');
      const { promptFile, ...rest } = options;
      const prompt = promptFile === undefined ? (rest.prompt ?? '') : await readPrompt(promptFile, rest.prompt);
      const { output } = call;
      // One row streams; several would run into each other.
      const streams = !output.json && rest.samples === 1;
      if (streams) process.stdout.write(prompt);
      const result = await sample({
        ...rest,
        ...call.watch,
        checkpoint,
        prompt,
        ...(streams && { onProgress: undefined, onText: (text: string) => process.stdout.write(text) }),
      });
      if (streams) process.stdout.write('\n');
      output.detail(`${result.tokensPerSecond.toFixed(0)} tokens a second`);
      const { continuations, seconds, tokensPerSecond } = result;
      const read = continuations.map(({ promptTokens, tokens, prompt, text }) => ({
        ids: [...promptTokens, ...tokens],
        title: `${prompt}${text}`,
      }));
      await writeAttention({ checkpoint, ...rest, rows: read });
      const rows = continuations.map(({ promptTokens: _, tokens, ...row }) => ({ ...row, tokens: tokens.length }));
      const data = { continuations: rows, seconds, tokensPerSecond };
      if (output.json) return { data };
      if (streams) return undefined;
      return { data, text: continuations.map((row) => `${row.prompt}${row.text}`).join('\n\n----\n\n') };
    }),
  );
};
export default define;

async function readPrompt(path: string, given: string | undefined): Promise<string> {
  if (given !== undefined) {
    throw new MillraceError('usage', 'both --prompt and --prompt-file', { hint: 'give one of them' });
  }
  if (path !== '-') return readFile(path, 'utf8');
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
