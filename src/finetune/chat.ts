/**
 * Conversations and a chat template (Jinja, as in tokenizer_config.json) in, token rows and labels out. Only what the
 * assistant says is learnt: every other token has the label -100.
 */
import { Template } from '@huggingface/jinja';
import { MillraceError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { Message } from './examples.ts';

/** ChatML, for models that bring no template of their own. */
export const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

export interface ChatRow {
  tokens: number[];
  /** Of each token: itself where the assistant says it, else -100. Not shifted. */
  labels: number[];
}

export interface RenderOptions {
  /** End with what comes before an answer. */
  generationPrompt?: boolean;
  bosToken?: string | undefined;
  eosToken?: string | undefined;
}

export class ChatTemplate {
  private readonly template: Template;
  private readonly special: { bos_token: string; eos_token: string };

  /** @throws `input` where the template is not Jinja. */
  constructor(text: string, tokenizer: Tokenizer) {
    const { bos, eos } = tokenizer.specialTokens;
    const token = (id: number | undefined) => (id === undefined ? '' : (tokenizer.idToToken(id) ?? ''));
    this.special = { bos_token: token(bos), eos_token: token(eos) };
    try {
      this.template = new Template(text);
    } catch (cause) {
      throw new MillraceError('input', `the chat template can't be read: ${(cause as Error).message}`, { cause });
    }
  }

  render(messages: Message[], { generationPrompt = false }: { generationPrompt?: boolean } = {}): string {
    try {
      return this.template.render({ messages, add_generation_prompt: generationPrompt, ...this.special });
    } catch (cause) {
      throw new MillraceError('input', `the chat template fails: ${(cause as Error).message}`, { cause });
    }
  }

  /** A whole conversation as one row. What a message of the assistant adds to the text before it is learnt. */
  row(messages: Message[], tokenizer: Tokenizer): ChatRow {
    const text = this.render(messages);
    const spans: [from: number, to: number][] = [];
    for (const [i, { role }] of messages.entries()) {
      if (role !== 'assistant') continue;
      const before = this.render(messages.slice(0, i), { generationPrompt: true });
      const after = this.render(messages.slice(0, i + 1));
      if (!text.startsWith(before) || !text.startsWith(after)) {
        throw new MillraceError(
          'input',
          'the chat template rewrites earlier messages, so answers have no fixed place',
          {
            hint: 'train on conversations of one answer, or use a template that only appends',
          },
        );
      }
      spans.push([before.length, after.length]);
    }
    const { ids, offsets } = tokenizer.encode(text, { addSpecialTokens: false });
    const tokens = Array.from(ids);
    const labels = tokens.map((token, i) => {
      const start = offsets[2 * i]!;
      const end = offsets[2 * i + 1]!;
      return spans.some(([from, to]) => start >= from && end <= to && end > start) ? token : -100;
    });
    return { tokens, labels };
  }
}
