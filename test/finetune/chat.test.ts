/** Which tokens of a conversation are learnt, against the text that they stand for. */
import test from 'ava';
import { CHATML, ChatTemplate } from '../../src/finetune/chat.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { tinyVocab } from '../support/tiny.ts';

const messages = [
  { role: 'system', content: 'be brief' },
  { role: 'user', content: 'the river?' },
  { role: 'assistant', content: 'it runs' },
  { role: 'user', content: 'the wheel?' },
  { role: 'assistant', content: 'it turns – all day' },
];

test('the labels are the answers and what ends them', async (t) => {
  const tokenizer = await Tokenizer.load(await tinyVocab());
  const { tokens, labels } = new ChatTemplate(CHATML, tokenizer).row(messages, tokenizer);
  t.is(
    tokenizer.decode(tokens),
    messages.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join(''),
  );
  t.is(tokenizer.decode(labels.filter((label) => label >= 0)), 'it runs<|im_end|>\nit turns – all day<|im_end|>\n');
  t.true(labels.every((label, i) => label === -100 || label === tokens[i]));
});

test('a template that rewrites what was said is refused, and so is one that is no Jinja', async (t) => {
  const tokenizer = await Tokenizer.load(await tinyVocab());
  const rewriting = "{{ messages | length }}{% for m in messages %}{{ m['content'] }}{% endfor %}";
  t.throws(() => new ChatTemplate(rewriting, tokenizer).row(messages, tokenizer), {
    code: 'input',
    message: /rewrites/,
  });
  t.throws(() => new ChatTemplate('{% for %}', tokenizer), { code: 'input', message: /can't be read/ });
});
