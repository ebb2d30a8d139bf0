/** Conversations and a language model in, a task that trains it to answer out: only what the assistant says is learnt. */
import { readFile } from 'node:fs/promises';
import { MillraceError } from '../errors.ts';
import { CHATML, type ChatRow, ChatTemplate } from './chat.ts';
import { type Message, readChats } from './examples.ts';
import { matrix, padded, rowSource } from './rows.ts';
import { holdOut, type Task, type TaskContext, withLora } from './task.ts';

export async function instructTask({ recipe, pretrained, tokenizer, limit }: TaskContext): Promise<Task> {
  const { config } = pretrained;
  if (config.family !== 'llama' && config.family !== 'gpt') {
    throw new MillraceError('config', `a model of the family ${config.family} does not chat`, {
      hint: 'use a language model',
    });
  }
  const text =
    recipe.chat_template === undefined
      ? (pretrained.chatTemplate ?? CHATML)
      : await readFile(recipe.chat_template, 'utf8').catch((cause: Error) => {
          throw new MillraceError('input', `can't read ${recipe.chat_template}: ${cause.message}`, { cause });
        });
  const template = new ChatTemplate(text, tokenizer);
  const { train, validation, validation_share: share } = recipe.data;
  const encode = (chats: Message[][]) =>
    chats
      .map((messages) => shift(template.row(messages, tokenizer), limit))
      .filter(({ labels }) => labels.some((label) => label >= 0));
  const all = await readChats(train);
  const held = validation ? { train: all, validation: await readChats(validation) } : holdOut(all, share);
  const rows = { train: encode(held.train), validation: encode(held.validation) };
  if (rows.train.length === 0) {
    throw new MillraceError('input', 'no conversation has an answer of the assistant within max_length', {
      hint: 'messages with the role assistant are learnt; raise max_length where they come late',
    });
  }
  const pad = pretrained.roles.pad ?? tokenizer.specialTokens.pad ?? 0;
  return {
    config: withLora(config, recipe),
    fresh: () => false,
    files: { 'chat_template.jinja': text },
    data: rowSource({
      ...rows,
      batchSize: recipe.training.batch_size,
      seed: recipe.training.seed,
      lengths: ({ tokens }: ChatRow) => [tokens.length],
      collate(batch: ChatRow[]) {
        const seqLen = padded(
          batch.map(({ tokens }) => tokens.length),
          limit,
        );
        return {
          shape: { batchSize: batch.length, seqLen },
          // Padding comes last, where no token that counts can see it: no mask is needed.
          feeds: {
            input_ids: matrix(
              batch.map(({ tokens }) => tokens),
              seqLen,
              pad,
            ),
            labels: matrix(
              batch.map(({ labels }) => labels),
              seqLen,
              -100,
            ),
          },
        };
      },
    }),
  };
}

/** Each token's label becomes the token after it. */
function shift({ tokens, labels }: ChatRow, limit: number): ChatRow {
  const end = Math.min(limit, tokens.length - 1);
  return { tokens: tokens.slice(0, end), labels: labels.slice(1, end + 1) };
}
