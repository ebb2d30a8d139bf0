/** A vocabulary in, what the trainer calls at each `sample_every` out: the model goes on from the begin token. */
import { join } from 'node:path';
import type { Model } from '../model/index.ts';
import { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { SampleContext } from '../train/trainer.ts';
import { Decoder } from './decoder.ts';
import { generateText } from './text.ts';

const NEW_TOKENS = 48;

/** With the weights as they are at that step. */
export async function sampleDuringTraining({ vocab }: { vocab: string }) {
  const tokenizer = await Tokenizer.load(join(vocab, 'tokenizer.json'));
  const { bos, eos } = tokenizer.specialTokens;
  const start = bos ?? eos;
  let decoder: Decoder | undefined;
  return async ({ session, model, step, signal }: SampleContext & { model: Model }): Promise<string[]> => {
    if (!model.decodeProgram || start === undefined) return [];
    decoder ??= Decoder.create({ model, capacity: NEW_TOKENS + 1, threads: session.threads });
    for (const { name } of model.parameters) decoder.write(name, session.read('weight', name));
    const [row] = await generateText({
      decoder,
      tokenizer,
      prompts: [Int32Array.of(start)],
      maxNewTokens: NEW_TOKENS,
      temperature: 0.8,
      seed: step,
      end: eos === undefined ? [] : [eos],
      signal,
    });
    return [row?.text ?? ''];
  };
}
