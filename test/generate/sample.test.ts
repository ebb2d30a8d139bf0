/** Text from a folder: streaming, stop strings, several rows, and what is said when a part is missing. */
import test from 'ava';
import { sample } from '../../src/generate/sample.ts';
import { llama, scratch, tinyModel, tinyVocab } from '../support/tiny.ts';

test('streamed pieces make the text; a stop string ends it and is not shown', async (t) => {
  const [checkpoint, vocab] = [await tinyModel(llama), await tinyVocab()];
  const options = { checkpoint, vocab, prompt: 'the mill', maxNewTokens: 30, temperature: 0.8, seed: 5, threads: 1 };
  let streamed = '';
  const whole = await sample({ ...options, onText: (text) => (streamed += text) });
  t.is(streamed, whole.text);
  t.true(whole.text.length > 20);
  t.is(whole.continuations[0]!.reason, 'length');
  const stop = whole.text.slice(12, 17);
  let stopped = '';
  const cut = await sample({ ...options, stop: ['never there', stop], onText: (text) => (stopped += text) });
  t.is(cut.text, whole.text.slice(0, whole.text.indexOf(stop)));
  t.is(stopped, cut.text);
  t.is(cut.continuations[0]!.reason, 'stop');
});

test('rows do not disturb each other', async (t) => {
  const [checkpoint, vocab] = [await tinyModel(llama), await tinyVocab()];
  const options = { checkpoint, vocab, maxNewTokens: 12, temperature: 0, threads: 1 };
  const prompts = ['the river runs', 'grain', 'all day while the miller counts'];
  const together = await sample({ ...options, prompt: prompts });
  for (const [i, prompt] of prompts.entries())
    t.is((await sample({ ...options, prompt })).text, together.continuations[i]!.text);
  const drawn = await sample({ ...options, temperature: 1, prompt: 'grain', samples: 3 });
  t.is(new Set(drawn.continuations.map(({ text }) => text)).size, 3);
});

test('the model begins where there is no prompt, and the context is a limit', async (t) => {
  const [checkpoint, vocab] = [await tinyModel(llama), await tinyVocab()];
  const { continuations } = await sample({ checkpoint, vocab, maxNewTokens: 500, minNewTokens: 500, threads: 1 });
  t.is(continuations[0]!.tokens.length, 64);
  await t.throwsAsync(sample({ checkpoint, vocab, prompt: 'x'.repeat(100) }), {
    code: 'input',
    message: /the model's context 64/,
  });
});

test('mistakes are named', async (t) => {
  const checkpoint = await tinyModel(llama);
  const vocab = await tinyVocab();
  await t.throwsAsync(sample({ checkpoint }), { code: 'input', message: /no tokenizer.json/ });
  await t.throwsAsync(sample({ checkpoint: await scratch(), vocab }), {
    code: 'input',
    message: /no model.safetensors/,
  });
  await t.throwsAsync(sample({ checkpoint: '/nowhere', vocab }), { code: 'input', message: /there is no folder/ });
  await t.throwsAsync(sample({ checkpoint, vocab, prompt: 'a', topP: 0 }), { code: 'config', message: /topP 0/ });
  await t.throwsAsync(sample({ checkpoint, vocab, prompt: 'a', stop: [''] }), { code: 'config' });
  const small = await tinyModel({ ...llama, vocab_size: 200 });
  await t.throwsAsync(sample({ checkpoint: small, vocab, prompt: 'a' }), { message: /300 tokens, the model 200/ });
  await t.throwsAsync(sample({ checkpoint, vocab, prompt: 'a', signal: AbortSignal.abort() }), { code: 'cancelled' });
});
